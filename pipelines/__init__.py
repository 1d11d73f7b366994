"""When and where it runs: definitions, jobs, resources, schedules, sensors and the command line."""
