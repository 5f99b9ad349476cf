"""Django settings, read from :mod:`ris.config`, where everything a site may change is declared."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url

from ris import config, lean
from ris.domain import preferences
from ris.logging import settings as logging_settings
from ris.secret_key import read_or_create

CONFIG = config.load()
PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent


def project_folder(name: str) -> Path:
    """``templates`` or ``fixtures``: beside the packages in a checkout, inside them in a wheel."""
    beside = CHECKOUT / name
    inside = PACKAGE / "_project" / name
    return beside if (CHECKOUT / "pyproject.toml").is_file() and beside.is_dir() else inside


# --- what this installation is

DEBUG = CONFIG.debug
SECRET_KEY = CONFIG.secret_key.get_secret_value() or read_or_create(CONFIG.home)
ALLOWED_HOSTS = [
    "127.0.0.1",
    "localhost",
    "[::1]",
    CONFIG.http.host,
    *filter(None, [urlsplit(CONFIG.base_url).hostname]),
    *CONFIG.allowed_hosts,
]
CSRF_TRUSTED_ORIGINS = [CONFIG.base_url] if CONFIG.base_url else []
SITE_NAME = CONFIG.site_name
WADO_RS = CONFIG.images.wado_rs
VIEWER_URL = CONFIG.images.viewer_url
VIEWERS = CONFIG.images.viewers

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.admin",
    "rest_framework",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "ris",
    "ris.web",
    "worklist",
    "integration",
]
if lean.is_lean:
    INSTALLED_APPS = [
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "ris",
        "worklist",
    ]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "ris.static.compressed",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "ris.middleware.correlation",
    "ris.middleware.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "ris.middleware.session_limits",
    "ris.middleware.language",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "ris.urls"
WSGI_APPLICATION = "ris.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [project_folder("templates")],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "ris.middleware.site",
            ],
            # Every page is translated and most are ours: spared are the loads at each file's top.
            "builtins": ["django.templatetags.i18n"],
        },
    },
]
FIXTURES_FOLDER = project_folder("fixtures")

# --- database
# One writer at a time is SQLite's nature: IMMEDIATE takes the write lock when the transaction
# begins, so check-then-write is serialized and never ends in "database is locked"
# (docs/adr/0007-sqlite-immediate-is-the-default.md). FULL, because an acknowledged message must
# survive power loss.

if CONFIG.database_is_sqlite:
    _named = dj_database_url.parse(CONFIG.database_url.get_secret_value() or "sqlite://")
    DATABASES: dict[str, dict[str, Any]] = {
        "default": {
            "ENGINE": "ris.sqlite",
            "NAME": _named["NAME"]
            if CONFIG.database_url.get_secret_value()
            else CONFIG.sqlite_path,
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                # The ORM writes more different statements than the 128 that are kept prepared.
                "cached_statements": 1000,
                # The log is brought into the database every 32 MB and not every 4: a page that
                # each message changes is then copied once for some hundred of them. What counts
                # is the log, which each commit forces to disk.
                "init_command": (
                    "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA busy_timeout=20000;"
                    "PRAGMA wal_autocheckpoint=8000;"
                ),
            },
        }
    }
else:
    _named = dj_database_url.parse(CONFIG.database_url.get_secret_value())
    DATABASES = {
        "default": {
            **_named,
            "ENGINE": "ris.postgresql",
            "CONN_MAX_AGE": None,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {"connect_timeout": 5, **_named.get("OPTIONS", {})},
        }
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- time and language: stored in UTC, shown in the zone of the site

USE_TZ = True
TIME_ZONE = CONFIG.time_zone
LANGUAGE_CODE = "en"
LANGUAGES = list(preferences.LANGUAGES.items())
LOCALE_PATHS = [project_folder("locale")]
FORMAT_MODULE_PATH = "ris.formats"

# --- what each process remembers for minutes, and may forget

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }
}

# --- accounts and sessions

AUTH_USER_MODEL = "ris.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
ACCOUNT_ADAPTER = "ris.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "/login/"
ACCOUNT_SESSION_REMEMBER = True  # the length of a session is ours to say, not a tick box
# What fails is counted strictly. A whole hospital may log in from one address at half past seven.
ACCOUNT_RATE_LIMITS = {
    "login": "600/m/ip",
    "login_failed": "10/m/ip,5/300s/key",
    "reauthenticate": "10/m/user",
}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = CONFIG.site_name
# A code is good for the half minute before and after it: clocks of phones differ, and typing takes
# a while (RFC 6238 5.2).
MFA_TOTP_TOLERANCE = 1
MFA_FORMS = {
    "authenticate": "ris.web.accounts.codes.LoginCodeForm",
    "reauthenticate": "ris.web.accounts.codes.CodeForm",
}

SESSION_COOKIE_AGE = CONFIG.session.absolute_hours * 3600
SESSION_COOKIE_NAME = "ris_session"
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = CONFIG.public_url.startswith("https://")
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_NAME = "ris_csrf"
CSRF_FAILURE_VIEW = "ris.web.stale.csrf_failure"
SESSION_IDLE_SECONDS = CONFIG.session.idle_minutes * 60

# --- HTTP

if CONFIG.http.behind_proxy:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    ALLAUTH_TRUSTED_PROXY_COUNT = 1
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31536000 if CONFIG.public_url.startswith("https://") else 0
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = CONFIG.fhir.body_bytes

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}

# --- static files: served from where they lie; a digest of the content in the address makes them
# cacheable without a build step at first start

STATIC_URL = "/static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "ris.static.DigestStorage"},
}
MEDIA_ROOT = CONFIG.home / "files"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_MAX_AGE = 0 if DEBUG else 3600
WHITENOISE_ALLOW_ALL_ORIGINS = False

# --- logs

LOGGING_CONFIG = "ris.logging.configure"
LOGGING = logging_settings(CONFIG.log_level)

# Granian, the DICOM and the MLLP listener serve the ORM from plain threads; nothing here runs
# Django code on an event loop, and where it happened by mistake it should fail.
os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)
