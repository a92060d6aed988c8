"""What runs while JupyterLab starts, most of it in containers."""
