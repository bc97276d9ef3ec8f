"""The development server: functions in processes of their own, around the emulator."""
