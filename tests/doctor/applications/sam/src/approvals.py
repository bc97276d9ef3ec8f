"""A plain function that answers questions for approval."""


def answer_approval(event: dict, context: object) -> dict:
    """Answer a callback."""
    return {"statusCode": 204}
