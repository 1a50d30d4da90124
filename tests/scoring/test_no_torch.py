"""The web process never imports torch: not with its URLs and views, and not while it answers for models and runs."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# A database of its own, a model registered, a run asked for, its pages fetched; then what has been imported.
WEB = """
import sys
import django
django.setup()
from django.conf import settings
settings.ALLOWED_HOSTS = ["testserver"]
settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
settings.CELERY_BROKER_URL = "memory://"
import readerstudy.wsgi
from django.core.management import call_command
from django.test import Client
from django.urls import get_resolver, reverse
from readerstudy.accounts.models import User
from readerstudy.celery import app
app.conf.broker_url = "memory://"
call_command("migrate", verbosity=0)
from tests.builders import image_set, model_version
from readerstudy.scoring import jobs
user = User.objects.create_user("r@example.org", is_researcher=True)
run = jobs.request_run(
    model_version=model_version(user), images=image_set(user, diagnoses=["melanoma"]).images.all(), label="x",
    requested_by=user,
)
client = Client()
client.force_login(user)
urls = [reverse("models"), reverse("model", args=[run.model_version_id]), reverse("run", args=[run.pk]),
        reverse("api-run", args=[run.pk])]
print([client.get(url).status_code for url in urls], len(get_resolver().url_patterns) > 5)
import readerstudy.scoring.tasks
app.loader.import_default_modules()
print("readerstudy.scoring.tasks.score_chunk" in app.tasks)
print(sorted(name for name in sys.modules if name.partition(".")[0] in ("torch", "torchvision")))
"""


def test_the_web_process_never_imports_torch(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("READERSTUDY_")}
    environment |= {"READERSTUDY_VAR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "readerstudy.settings"}
    done = subprocess.run(
        [sys.executable, "-c", WEB], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[200, 200, 200, 200] True", "True", "[]"]
