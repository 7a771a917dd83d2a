"""Running a method: in a process of its own, interrupted or not, with what it has told kept."""
