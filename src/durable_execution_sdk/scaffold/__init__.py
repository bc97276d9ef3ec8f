"""Template files of ``durable init``, and the code that copies them into a folder."""
