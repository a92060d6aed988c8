"""The course in a product: content, data sets, the students' commands."""
