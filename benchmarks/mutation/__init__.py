"""How many small faults in the rooms that remove files no test notices: ``make mutate``."""
