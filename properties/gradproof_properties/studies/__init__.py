"""Measurements of published figures, one command each under ``gradproof study``; they measure and judge nothing."""
