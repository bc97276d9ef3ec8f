"""``all``, ``any``, ``race`` and ``all_settled`` over operations."""
