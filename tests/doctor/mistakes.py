"""Mistakes to plant into the applications: edits, the check that has to find each, and the line of the finding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

TEMPLATE, CODE = "template.yaml", "src/orders.py"
CDK = "cdk.out/orders.template.json"


@dataclass(frozen=True)
class Mistake:
    """Replace ``old`` by ``new`` in a file.

    The finding is at the first line from ``after`` on that contains ``at``, in ``where`` (by default the same file).
    """

    code: str
    file: str
    old: str
    new: str
    at: str
    after: str = ""
    where: str | None = None

    def plant(self, root: Path) -> tuple[str, int, str]:
        """Edit the file; return the place and the code of the finding."""
        path = root / self.file
        text = path.read_text()
        assert self.old in text, f"{self.old!r} is not in {self.file}"
        path.write_text(text.replace(self.old, self.new, 1))
        name = self.where or self.file
        lines = (root / name).read_text().splitlines()
        first = next(n for n, line in enumerate(lines) if self.after in line)
        found = next(n for n, line in enumerate(lines[first:], first + 1) if self.at in line)
        return name, found, self.code


_CHARGE = "    async with asyncio.timeout(30):\n"
_ROLE = "        - arn:aws:iam::aws:policy/service-role/AWSLambdaBasicDurableExecutionRolePolicy"

_ARN = "!GetAtt ProcessOrder.Arn"
_QUEUE = "  Parcels:\n    Type: AWS::SQS::Queue\n"

IN_SAM = {
    "runtime": Mistake(
        "DOC101", TEMPLATE, "Runtime: python3.13", "Runtime: python3.12", "python3.12"
    ),
    "durable handler without DurableConfig": Mistake(
        "DOC102",
        TEMPLATE,
        "      DurableConfig:\n        ExecutionTimeout: 20\n",
        "",
        "Quick:",
    ),
    "DurableConfig on a plain handler": Mistake(
        "DOC103",
        CODE,
        "@durable_execution\nasync def ship_order",
        "async def ship_order",
        "DurableConfig:",
        "ShipOrder:",
        where=TEMPLATE,
    ),
    "ExecutionTimeout of 0": Mistake(
        "DOC104", TEMPLATE, "ExecutionTimeout: 900", "ExecutionTimeout: 0", "ExecutionTimeout: 0"
    ),
    "ExecutionTimeout over a year": Mistake(
        "DOC104", TEMPLATE, "2678400", '"31622401"', "31622401"
    ),
    "no ExecutionTimeout": Mistake(
        "DOC104",
        TEMPLATE,
        "        ExecutionTimeout: 2678400\n",
        "",
        "DurableConfig:",
    ),
    "retention of 0": Mistake("DOC105", TEMPLATE, "InDays: 14", "InDays: 0", "InDays: 0"),
    "retention of 91": Mistake("DOC105", TEMPLATE, "InDays: 14", "InDays: 91", "InDays: 91"),
    "function timeout": Mistake(
        "DOC106",
        TEMPLATE,
        "      Handler: orders.process_order\n",
        "      Handler: orders.process_order\n      Timeout: 1801\n",
        "Timeout: 1801",
    ),
    "execution shorter than an invocation": Mistake(
        "DOC107", TEMPLATE, "ExecutionTimeout: 20", "ExecutionTimeout: 10", "ExecutionTimeout: 10"
    ),
    "unknown handler": Mistake(
        "DOC108", TEMPLATE, "orders.ship_order", "orders.ship", "orders.ship"
    ),
    "runtime without its language": Mistake(
        "DOC101", TEMPLATE, "Runtime: python3.13", "Runtime: 3.13", "3.13"
    ),
    "timeout in words": Mistake(
        "DOC106", TEMPLATE, "      Timeout: 20\n", "      Timeout: 1 minute\n", "1 minute"
    ),
    "code that is no Python": Mistake(
        "DOC700", CODE, "async def charge", "async deff charge", "async deff"
    ),
    "await in a plain function": Mistake(
        "DOC700", CODE, "async def ship_order", "def ship_order", "ctx.step(", "def ship_order"
    ),
    "text log": Mistake("DOC109", TEMPLATE, "LogFormat: JSON", "LogFormat: Text", "LoggingConfig"),
    "destinations": Mistake(
        "DOC110",
        TEMPLATE,
        "      Timeout: 20\n",
        "      Timeout: 20\n      EventInvokeConfig:\n        DestinationConfig:\n          OnFailure: {Type: SQS}\n",
        "DestinationConfig",
    ),
    "runtime of a parameter": Mistake(
        "DOC101",
        TEMPLATE,
        "\nGlobals:\n  Function:\n    CodeUri: src/\n    Runtime: python3.13\n",
        (
            "  Python:\n    Type: String\n    Default: python3.12\n"
            "\nGlobals:\n  Function:\n    CodeUri: src/\n    Runtime: !Ref Python\n"
        ),
        "Runtime: !Ref",
    ),
    "handler of a missing module": Mistake(
        "DOC108", TEMPLATE, "orders.ship_order", "order.ship_order", "order.ship_order"
    ),
    "versions that SAM deletes": Mistake(
        "DOC501",
        TEMPLATE,
        "      AutoPublishAlias: live\n",
        "      AutoPublishAlias: live\n      VersionDeletionPolicy: Delete\n",
        "VersionDeletionPolicy",
    ),
    "versions that go with the function": Mistake(
        "DOC501",
        TEMPLATE,
        "  Quick:\n",
        "  Quick:\n    DeletionPolicy: Delete\n",
        "Quick:",
    ),
    "versions on managed instances": Mistake(
        "DOC501",
        TEMPLATE,
        "      Timeout: 20\n",
        "      Timeout: 20\n      CapacityProviderConfig: {Arn: !ImportValue provider}\n",
        "AutoPublishAlias:",
        "Quick:",
    ),
    "trigger of a user pool": Mistake(
        "DOC204",
        TEMPLATE,
        _QUEUE,
        f"  Users:\n    Type: AWS::Cognito::UserPool\n    Properties:\n      LambdaConfig:\n        PostConfirmation: {_ARN}\n"
        f"        CustomSMSSender: {{LambdaArn: !Ref ProcessOrder.Alias}}\n{_QUEUE}",
        "PostConfirmation",
    ),
    "sender of a user pool": Mistake(
        "DOC204",
        TEMPLATE,
        _QUEUE,
        "  Users:\n    Type: AWS::Cognito::UserPool\n    Properties:\n      LambdaConfig:\n        CustomSMSSender:\n"
        f"          LambdaArn: {_ARN}\n{_QUEUE}",
        "LambdaArn",
    ),
    "rule of IoT": Mistake(
        "DOC204",
        TEMPLATE,
        _QUEUE,
        "  Topic:\n    Type: AWS::IoT::TopicRule\n    Properties:\n      TopicRulePayload:\n        Actions:\n"
        f"          - Sns: {{}}\n          - Lambda:\n              FunctionArn: {_ARN}\n{_QUEUE}",
        "FunctionArn",
    ),
    "error action of a rule of IoT": Mistake(
        "DOC204",
        TEMPLATE,
        _QUEUE,
        "  Topic:\n    Type: AWS::IoT::TopicRule\n    Properties:\n      TopicRulePayload:\n        ErrorAction:\n"
        f"          Lambda:\n            FunctionArn: {_ARN}\n{_QUEUE}",
        "FunctionArn",
    ),
    "state machine": Mistake(
        "DOC204",
        TEMPLATE,
        _QUEUE,
        "  Steps:\n    Type: AWS::StepFunctions::StateMachine\n    Properties:\n      DefinitionString: >-\n"
        '        {"States": {"A": {"Type": "Task", "Resource": "${Order}", "End": true}}}\n'
        f"      DefinitionSubstitutions:\n        Order: {_ARN}\n{_QUEUE}",
        "Order: !GetAtt",
    ),
    "literal target": Mistake(
        "DOC201", CODE, "ctx.invoke(SHIP_ORDER", 'ctx.invoke("ship-order"', '"ship-order"'
    ),
    "target in a variable": Mistake(
        "DOC202",
        TEMPLATE,
        "SHIP_ORDER: !Ref ShipOrder.Alias",
        "SHIP_ORDER: !GetAtt ShipOrder.Arn",
        "SHIP_ORDER:",
    ),
    "missing variable": Mistake(
        "DOC203", CODE, 'os.environ["SHIP_ORDER"]', 'os.environ["SHIPPING"]', "ctx.invoke("
    ),
    "variable of another name": Mistake(
        "DOC207",
        CODE,
        'os.environ["SHIP_ORDER"]',
        'os.environ.get("SHIPPING", "shipping:live")',
        "SHIP_ORDER:",
        where=TEMPLATE,
    ),
    "name in the template in a variable": Mistake(
        "DOC206",
        TEMPLATE,
        "SHIP_ORDER: !Ref ShipOrder.Alias",
        "SHIP_ORDER: ShipOrder:live",
        "SHIP_ORDER:",
    ),
    "schedule of a rule": Mistake(
        "DOC204",
        TEMPLATE,
        "          Arn: !Ref ProcessOrder.Alias",
        "          Arn: !GetAtt ProcessOrder.Arn",
        "Arn: !GetAtt ProcessOrder.Arn",
        "Weekly:",
    ),
    "permission": Mistake(
        "DOC205",
        TEMPLATE,
        "      FunctionName: !Ref ProcessOrder.Alias",
        "      FunctionName: !Ref ProcessOrder",
        "FunctionName: !Ref ProcessOrder",
        "LetWeekly:",
    ),
    "role without checkpoints": Mistake(
        "DOC301",
        TEMPLATE,
        _ROLE,
        _ROLE.replace("DurableExecutionRolePolicy", "ExecutionRole"),
        "Role: !GetAtt",
    ),
    "role without invoke": Mistake(
        "DOC302",
        TEMPLATE,
        "Action: lambda:InvokeFunction",
        "Action: lambda:GetFunction",
        "ProcessOrder:",
    ),
    "role without the right to go on as new": Mistake(
        "DOC306",
        CODE,
        '    return await ctx.step(lambda: "shipped", name="ship")',
        "    await ctx.continue_as_new(order)",
        "ShipOrder:",
        where=TEMPLATE,
    ),
    "invoke of the unqualified ARN": Mistake(
        "DOC303",
        TEMPLATE,
        "              Resource: !Ref ShipOrder.Alias",
        "              Resource: !GetAtt ShipOrder.Arn",
        "Resource: !GetAtt ShipOrder.Arn",
    ),
    "answers by the unqualified ARN": Mistake(
        "DOC304",
        TEMPLATE,
        "Resource: !Sub ${ProcessOrder.Arn}:*",
        "Resource: !Sub ${ProcessOrder.Arn}",
        "Resource:",
        "AnswerApproval:",
    ),
    "answers by the alias": Mistake(
        "DOC304",
        TEMPLATE,
        "Resource: !Sub ${ProcessOrder.Arn}:*",
        "Resource: !Ref ProcessOrder.Alias",
        "Resource:",
        "AnswerApproval:",
    ),
    "key": Mistake(
        "DOC305", TEMPLATE, "[kms:Decrypt, kms:GenerateDataKey]", "[kms:Decrypt]", "KMSKeyArn:"
    ),
    "queue of a long execution": Mistake(
        "DOC401", TEMPLATE, "ExecutionTimeout: 900", "ExecutionTimeout: 1801", "Parcels:"
    ),
    "queue of an execution between the limits": Mistake(
        "DOC402", TEMPLATE, "ExecutionTimeout: 900", "ExecutionTimeout: 901", "Parcels:"
    ),
    "route of a long execution": Mistake(
        "DOC403", TEMPLATE, "ExecutionTimeout: 20", "ExecutionTimeout: 60", "Ask:"
    ),
    "URL of a long execution": Mistake(
        "DOC404",
        TEMPLATE,
        "      Events:\n        Nightly:",
        "      FunctionUrlConfig: {AuthType: AWS_IAM}\n      Events:\n        Nightly:",
        "FunctionUrlConfig",
    ),
    "no versions": Mistake(
        "DOC502",
        TEMPLATE,
        "      AutoPublishAlias: live\n      AutoPublishAliasAllProperties: true\n"
        "      Events:\n        Ask:\n          Type: HttpApi\n"
        "          Properties: {Path: /ask, Method: post}\n",
        "",
        "Quick:",
    ),
    "versions of code only": Mistake(
        "DOC503",
        TEMPLATE,
        "      AutoPublishAlias: !Ref Alias\n      AutoPublishAliasAllProperties: true\n",
        "      AutoPublishAlias: !Ref Alias\n",
        "AutoPublishAlias:",
    ),
    "requirements without the SDK": Mistake(
        "DOC602", "src/requirements.txt", "durable-execution-sdk>=0.2", "boto3", "boto3"
    ),
    "requirements without the framework of an adapter": Mistake(
        "DOC605",
        CODE,
        "import time\n",
        "import time\nfrom durable_execution_sdk.agents.pydantic_ai import Durability\n",
        "durable-execution-sdk",
        where="src/requirements.txt",
    ),
    "approval longer than the execution": Mistake(
        "DOC703",
        CODE,
        "@durable_execution\nasync def process_order(order: dict, ctx: DurableContext) -> str:\n",
        "@ag.human_approval(timeout=timedelta(weeks=5))\ndef pay(): ...\n\nagent = ag.Agent(tools=[pay])\n\n"
        "@durable_execution\nasync def process_order(order: dict, ctx: DurableContext) -> str:\n    agent.run()\n",
        "human_approval",
    ),
    "attempt of a tool longer than an invocation": Mistake(
        "DOC701",
        CODE,
        "    payment = await ctx.step(charge, order)",
        "    ToolOptions(timeout=90)\n    payment = await ctx.step(charge, order)",
        "ToolOptions",
    ),
    "step longer than an invocation": Mistake(
        "DOC701", CODE, _CHARGE, _CHARGE.replace("30", "60"), "asyncio.timeout(60)"
    ),
    "request in a step longer than an invocation": Mistake(
        "DOC701",
        CODE,
        _CHARGE,
        "    fetch(timeout=90)\n" + _CHARGE,
        "timeout=90",
    ),
    "wait longer than the execution": Mistake(
        "DOC702", CODE, "Duration.from_hours(1)", "Duration.from_days(31)", "ctx.wait("
    ),
    "callback longer than the execution": Mistake(
        "DOC703", CODE, "Duration.from_days(7)", "Duration.from_weeks(5)", "APPROVAL ="
    ),
    "too many operations in a list": Mistake(
        "DOC704", CODE, "range(100)", "list(range(1, 40 * 100))", "40 * 100"
    ),
    "too many operations in a comprehension": Mistake(
        "DOC704", CODE, "range(100)", "[n for n in range(4000)]", "range(4000)"
    ),
    "too many operations": Mistake("DOC704", CODE, "range(100)", "range(5000)", "range(5000)"),
    "a clock in a workflow": Mistake(
        "DUR001",
        CODE,
        "    payment = await ctx.step(charge, order)",
        "    order = {**order, 'at': time.time()}\n    payment = await ctx.step(charge, order)",
        "'at': time.time()",
    ),
    "no runtime": Mistake("DOC101", TEMPLATE, "    Runtime: python3.13\n", "", "ProcessOrder:"),
    "member of the configuration": Mistake(
        "DOC111", TEMPLATE, "RetentionPeriodInDays: 14", "RetentionPeriod: 14", "RetentionPeriod:"
    ),
    "handler in the form of a path": Mistake(
        "DOC108", TEMPLATE, "orders.ship_order", "orders.py:ship_order", "orders.py:"
    ),
    "alias that is not there": Mistake(
        "DOC208",
        TEMPLATE,
        "SHIP_ORDER: !Ref ShipOrder.Alias",
        "SHIP_ORDER: !Sub ${ShipOrder.Arn}:prod",
        "SHIP_ORDER:",
    ),
    "alias of a name that is not there": Mistake(
        "DOC208", CODE, "ctx.invoke(SHIP_ORDER", 'ctx.invoke("ship-order:prod"', '"ship-order:prod"'
    ),
    "rights on another function": Mistake(
        "DOC302",
        TEMPLATE,
        "              Resource: !Ref ShipOrder.Alias",
        "              Resource: !Ref Quick.Alias",
        "SHIP_ORDER:",
    ),
    "default without rights": Mistake(
        "DOC302",
        CODE,
        'os.environ["SHIP_ORDER"]',
        "\"shipping:live\"\nSHIPPING = os.environ['SHIP_ORDER']",
        "ctx.invoke(",
    ),
    "answers by a pattern": Mistake(
        "DOC304",
        TEMPLATE,
        """              - lambda:SendDurableExecutionCallbackSuccess
              - lambda:SendDurableExecutionCallbackFailure
            Resource: !Sub ${ProcessOrder.Arn}:*""",
        "              - lambda:SendDurableExecutionCallback*\n            Resource: !Ref ProcessOrder.Alias",
        "Resource:",
        "AnswerApproval:",
    ),
    "pause by the unqualified ARN": Mistake(
        "DOC304",
        TEMPLATE,
        """              - lambda:SendDurableExecutionCallbackSuccess
              - lambda:SendDurableExecutionCallbackFailure
            Resource: !Sub ${ProcessOrder.Arn}:*""",
        "              - lambda:PauseDurableExecution\n            Resource: !GetAtt ProcessOrder.Arn",
        "Resource:",
        "AnswerApproval:",
    ),
    "answer without rights": Mistake(
        "DOC307",
        "src/approvals.py",
        '    return {"statusCode": 204}',
        '    SyncDurableClient().callback(event["id"]).heartbeat()\n    return {"statusCode": 204}',
        "heartbeat()",
    ),
    "answer of boto3 without rights": Mistake(
        "DOC307",
        "src/approvals.py",
        '    return {"statusCode": 204}',
        '    boto3.client("lambda").send_durable_execution_callback_heartbeat(CallbackId=event["id"])\n'
        '    return {"statusCode": 204}',
        "_heartbeat(",
    ),
    **{
        f"target of {kind}": Mistake(
            "DOC204",
            TEMPLATE,
            _QUEUE,
            f"  Caller:\n    Type: AWS::{kind}\n    Properties: {properties}\n{_QUEUE}",
            "Properties:",
            "  Caller:",
        )
        for kind, properties in {
            "Pipes::Pipe": f"{{Target: {_ARN}}}",
            "AppSync::DataSource": f"{{LambdaConfig: {{LambdaFunctionArn: {_ARN}}}}}",
            "CloudFormation::CustomResource": f"{{ServiceToken: {_ARN}}}",
            "SecretsManager::RotationSchedule": f"{{RotationLambdaARN: {_ARN}}}",
            "Scheduler::Schedule": f"{{Target: {{Arn: {_ARN}}}}}",
            "ElasticLoadBalancingV2::TargetGroup": f"{{TargetType: lambda, Targets: [{{Id: {_ARN}}}]}}",
        }.items()
    },
    **{
        f"wait of {length}": Mistake(
            "DOC702",
            CODE,
            "ctx.wait(Duration.from_hours(1)",
            f"ctx.wait({length}",
            "ctx.wait(",
        )
        for length in (
            "duration=Duration.from_days(31)",
            "31 * 24 * 60 * 60",
            "Duration(seconds=31 * 86400)",
            "Duration.from_months(2)",
            "timedelta(days=30, hours=24)",
        )
    },
    "wait of a constant": Mistake(
        "DOC702",
        CODE,
        "async def finish(ctx: DurableContext, order: dict) -> str:\n"
        '    """Take the money and ship."""\n    payment = await ctx.step(charge, order)\n'
        "    await ctx.wait(Duration.from_hours(1)",
        "DAYS: int = 31\nMONTH = Duration.from_days(DAYS)\n\n\n"
        "async def finish(ctx: DurableContext, order: dict) -> str:\n"
        '    """Take the money and ship."""\n    payment = await ctx.step(charge, order)\n'
        "    await ctx.wait(MONTH",
        "ctx.wait(",
    ),
}
"""Mistakes in the application for SAM, each with exactly one finding."""

IN_INIT = {
    "module that the package lacks": Mistake(
        "DOC108", TEMPLATE, "orders.app.ship_order", "orders.apps.ship_order", "orders.apps"
    ),
    "no rights to answer": Mistake(
        "DOC307",
        TEMPLATE,
        "Action: lambda:SendDurableExecutionCallbackSuccess",
        "Action: lambda:SendDurableExecutionCallbackFailure",
        ".succeed(",
        where="src/orders/approvals.py",
    ),
    "variable that is gone": Mistake(
        "DOC302",
        TEMPLATE,
        "      Environment:\n        Variables:\n          SHIP_ORDER: !Ref ShipOrder.Alias\n",
        "",
        "ctx.invoke(",
        where="src/orders/app.py",
    ),
}
"""Mistakes in the application of ``durable init``."""

IN_CDK = {
    "ExecutionTimeout of 0": Mistake(
        "DOC104", CDK, '"ExecutionTimeout": 86400', '"ExecutionTimeout": 0', '"ExecutionTimeout": 0'
    ),
    "deleted versions": Mistake(
        "DOC501",
        CDK,
        '   "UpdateReplacePolicy": "Retain",\n   "DeletionPolicy": "Retain",\n   "Metadata": {\n'
        '    "aws:cdk:path": "orders/ShipOrder/CurrentVersion',
        '   "Metadata": {\n    "aws:cdk:path": "orders/ShipOrder/CurrentVersion',
        "ShipOrderCurrentVersion",
    ),
    "target in a variable": Mistake(
        "DOC202",
        CDK,
        '"SHIP_ORDER": {\n       "Ref": "ShipOrderAliasliveD8EEAB8A"',
        '"SHIP_ORDER": {\n       "Ref": "ShipOrder4D3C2E3D"',
        '"SHIP_ORDER": {',
    ),
    "role without checkpoints": Mistake(
        "DOC301",
        CDK,
        "AWSLambdaBasicDurableExecutionRolePolicy",
        "AWSLambdaBasicExecutionRole",
        '"Role": {',
        '"ShipOrder4D3C2E3D": {',
    ),
    "answers by the unqualified ARN": Mistake(
        "DOC304",
        CDK,
        '          ":*"',
        '          ""',
        '"Resource": {',
        '"Action": "lambda:SendDurable',
    ),
    "replaced versions": Mistake(
        "DOC504",
        CDK,
        '   "UpdateReplacePolicy": "Retain",\n   "DeletionPolicy": "Retain",\n   "Metadata": {\n'
        '    "aws:cdk:path": "orders/ShipOrder/CurrentVersion',
        '   "DeletionPolicy": "Retain",\n   "Metadata": {\n'
        '    "aws:cdk:path": "orders/ShipOrder/CurrentVersion',
        "ShipOrderCurrentVersion",
    ),
}
"""Mistakes in the application for CDK."""
