"""The course's data sets: what is where, the real ones fetched, their stand-ins made (`course-data`)."""
