from django.apps import AppConfig


class AdviceConfig(AppConfig):
    name = "readerstudy.advice"
