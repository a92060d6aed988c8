"""How a product follows content releases: fetched or given, verified, kept in the home, handed to course-sync."""
