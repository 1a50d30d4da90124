"""Every setting, from the environment. A wrong value stops the start with a sentence that names the variable.

Without any variable set, the project is the embedded one: SQLite, a private broker on a Unix socket, local files,
all in the folder `var/`.
"""

import hashlib
import secrets
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent

# --- the one folder that holds everything the embedded project writes
VAR = Path(env.str("READERSTUDY_VAR", str(BASE_DIR / "var"))).resolve()
VAR.mkdir(parents=True, exist_ok=True)


def _secret_key() -> str:
    """The key from the environment, else one made once and kept in VAR, readable by its owner alone."""
    if key := env.str("READERSTUDY_SECRET_KEY", ""):
        return key
    path = VAR / "secret-key"
    try:
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(secrets.token_urlsafe(48))
    except FileExistsError:
        pass
    if not (key := path.read_text().strip()):
        raise ImproperlyConfigured(f"{path} is empty. Delete it (sessions end), or set READERSTUDY_SECRET_KEY.")
    return key


SECRET_KEY = _secret_key()
DEBUG = env.bool("READERSTUDY_DEBUG", False)
ALLOWED_HOSTS = env.list("READERSTUDY_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
# Behind TLS (a proxy that sets X-Forwarded-Proto): secure cookies, HSTS and the redirect to https.
HTTPS = env.bool("READERSTUDY_HTTPS", False)
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in ALLOWED_HOSTS] if HTTPS else []

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "csp",
    "django_htmx",
    "rest_framework",
    "readerstudy.accounts",
    "readerstudy.images",
    "readerstudy.studies",
    "readerstudy.readers",
    "readerstudy.readings",
    "readerstudy.scoring",
    "readerstudy.advice",
    "readerstudy.results",
    "readerstudy.demo",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "readerstudy.accounts.language.account_language",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "csp.middleware.CSPMiddleware",
]

ROOT_URLCONF = "readerstudy.urls"
WSGI_APPLICATION = "readerstudy.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- database
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url("READERSTUDY_DATABASE_URL", default=f"sqlite:///{VAR / 'db.sqlite3'}"),
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # An acknowledged answer survives a power cut (FULL), readers do not block the writer (WAL), and two writers wait
    # for one another instead of failing half-way (IMMEDIATE).
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- broker
BROKER_SOCKET = VAR / "broker" / "broker.sock"
if len(str(BROKER_SOCKET)) > 100:  # a Unix socket's path has at most 107 bytes
    BROKER_SOCKET = Path(tempfile.gettempdir()) / f"readerstudy-{hashlib.sha256(bytes(VAR)).hexdigest()[:16]}.sock"
CELERY_BROKER_URL = env.str("READERSTUDY_BROKER_URL", f"redis+socket://{BROKER_SOCKET}")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_TIME_LIMIT = 3600
CELERY_TASK_SOFT_TIME_LIMIT = 3540
CELERY_TASK_ROUTES = {"readerstudy.scoring.tasks.score_chunk": {"queue": "gpu"}}
CELERY_BEAT_SCHEDULE = {
    "ring again for chunks whose worker died": {
        "task": "readerstudy.scoring.tasks.sweep",
        "schedule": env.float("READERSTUDY_SWEEP_SECONDS", 30.0),
    },
    "ring again for uploads whose worker died": {
        "task": "readerstudy.images.tasks.sweep",
        "schedule": env.float("READERSTUDY_SWEEP_SECONDS", 30.0),
    },
    "ring again for computations whose worker died": {
        "task": "readerstudy.results.tasks.sweep",
        "schedule": env.float("READERSTUDY_SWEEP_SECONDS", 30.0),
    },
}
CELERY_TIMEZONE = "UTC"

# --- files
MEDIA_ROOT = VAR / "media"
STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"
STATICFILES_DIRS = [
    BASE_DIR / "static",
    ("plotly", str(files("plotly") / "package_data")),
]
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
if bucket := env.str("READERSTUDY_S3_BUCKET", ""):
    STORAGES["default"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": bucket,
            "endpoint_url": env.str("READERSTUDY_S3_ENDPOINT", "") or None,
            "default_acl": "private",
            "querystring_auth": True,
            "file_overwrite": False,
        },
    }
# What an upload may be: bytes of the ZIP, images in it, pixels of one image, bytes of one image.
UPLOAD_MAX_BYTES = env.int("READERSTUDY_UPLOAD_MAX_BYTES", 8 * 2**30)
UPLOAD_MAX_IMAGES = env.int("READERSTUDY_UPLOAD_MAX_IMAGES", 200_000)
IMAGE_MAX_PIXELS = env.int("READERSTUDY_IMAGE_MAX_PIXELS", 100_000_000)
IMAGE_MAX_BYTES = env.int("READERSTUDY_IMAGE_MAX_BYTES", 100 * 2**20)
FILE_UPLOAD_TEMP_DIR = str(VAR / "incoming")
Path(FILE_UPLOAD_TEMP_DIR).mkdir(parents=True, exist_ok=True)

# --- accounts
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_REDIRECT_URL = "home"
LOGIN_URL = "account_login"
ACCOUNT_ADAPTER = "readerstudy.accounts.adapter.ClosedAdapter"
ACCOUNT_FORMS = {
    "login": "readerstudy.accounts.forms.LoginForm",
    "request_login_code": "readerstudy.accounts.forms.RequestLoginCodeForm",
    "confirm_login_code": "readerstudy.accounts.forms.ConfirmLoginCodeForm",
    "reset_password": "readerstudy.accounts.forms.ResetPasswordForm",
    "reset_password_from_key": "readerstudy.accounts.forms.ResetPasswordKeyForm",
}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 900
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
# How long the link in an invitation letter works, if it is not used before.
INVITATION_DAYS = env.int("READERSTUDY_INVITATION_DAYS", 60)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS

# --- mail: without a server, letters are files in VAR/mail
_mail = env.email_url("READERSTUDY_EMAIL_URL", default="filemail:")
EMAIL_BACKEND = _mail["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = _mail.get("EMAIL_HOST") or "", _mail.get("EMAIL_PORT") or 25
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.get("EMAIL_HOST_USER") or "", _mail.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.get("EMAIL_USE_TLS", False), _mail.get("EMAIL_USE_SSL", False)
EMAIL_FILE_PATH = str(VAR / "mail")
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.str("READERSTUDY_FROM_EMAIL", "reader-study@localhost")

# --- cache (sign-in rate limits): Redis where web processes run on several machines
CACHES = {"default": env.cache_url("READERSTUDY_CACHE_URL", default=f"filecache://{VAR / 'cache'}")}

# --- security headers
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    },
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None

# --- API
REST_FRAMEWORK = {
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS describes nothing
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser", "rest_framework.parsers.FormParser"],
}

# --- language and time
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]  # each in itself
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_AGE = 31_536_000
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = HTTPS
LOCALE_PATHS = [BASE_DIR / "readerstudy" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- science
# A taxonomy of one's own (CSV: id,parent,name); empty: the one shipped with model_core.
TAXONOMY_CSV = env.str("READERSTUDY_TAXONOMY", "")
# A scoring chunk: this many images are claimed at once, for this long.
SCORING_CHUNK_SIZE = env.int("READERSTUDY_SCORING_CHUNK", 32)
SCORING_LEASE_SECONDS = env.int("READERSTUDY_SCORING_LEASE_SECONDS", 300)
# How long a worker that computes results may be silent before another one takes its place.
RESULTS_LEASE_SECONDS = env.int("READERSTUDY_RESULTS_LEASE_SECONDS", 300)
SCORING_DEVICE = env.str("READERSTUDY_SCORING_DEVICE", "")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "filters": {"no links": {"()": "readerstudy.readers.logs.HideLinks"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["no links"]}},
    # No handlers but this one: Django's own would write the links.
    "loggers": {"django": {"level": "INFO"}, "django.server": {"level": "INFO", "propagate": True}},
    "root": {"handlers": ["console"], "level": env.str("READERSTUDY_LOG_LEVEL", "INFO")},
}
