"""How it is computed: functions and small classes over arrays; Ray only in `ops.fanout`, Dagster nowhere."""
