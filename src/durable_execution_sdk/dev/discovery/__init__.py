"""Find functions: in files and folders, in templates, and in a project's table."""
