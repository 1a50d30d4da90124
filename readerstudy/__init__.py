"""The Django project: one room for each noun of a reader study."""

from readerstudy.celery import app as celery_app

__all__ = ["celery_app"]
