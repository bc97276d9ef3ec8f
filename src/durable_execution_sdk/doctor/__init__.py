"""Examine an application before and after its deployment: its template, its code, its package, its function.

A check is a function that yields the places where an application breaks one rule (``checks/``); it reads and
runs nothing of the application. The rules and their sources are in ``docs/doctor.md``.
"""
