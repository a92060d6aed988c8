"""The course's page: a folder of HTML that needs no server, no network and no other file."""
