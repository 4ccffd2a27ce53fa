"""The loss test of `logs tail`: many events to four groups by many streams, some late, some requests refused. Each is shown once."""
