"""Control of single executions beyond the service's API: their time, forks and deletion."""
