"""Every solution and every lecture of the course, run as they are given to students. See CONTRIBUTING.md."""
