"""Changed code: its digest, the rehearsal of open executions against it, and the executions that it does not fit."""
