SELECT kind, subject_slot, cause, "values" FROM events WHERE cause IS NOT NULL
