"""The service's rules, pure: commands are decided into events, events are folded into state."""
