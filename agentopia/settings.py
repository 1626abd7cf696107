"""Django's settings. What an operator may change is declared in `agentopia.environment`."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import django_stubs_ext
import environ
from celery.schedules import crontab
from django.utils.csp import CSP

from agentopia.environment import BASE_DIR, load_environment

django_stubs_ext.monkeypatch()  # Django's classes take type parameters: `ModelAdmin[User]`

ENVIRONMENT = load_environment()

SECRET_KEY = ENVIRONMENT.secret_key
ENCRYPTION_KEYS = ENVIRONMENT.encryption_keys or [SECRET_KEY]
DEBUG = ENVIRONMENT.debug
ALLOWED_HOSTS = ENVIRONMENT.allowed_hosts
HOME = Path(ENVIRONMENT.agentopia_home).resolve()

INSTALLED_APPS = [
    "accounts",  # before Django's own: it has some of its commands too, and records what they do
    "accounts.admin_apps.AdministrationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "channels",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "agentopia.lib",
    "toolboxes",
    "mcp_registry",
    "agents",
    "chat",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.ActingMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "agentopia.lib.htmx.ErrorToastMiddleware",
]

ROOT_URLCONF = "agentopia.urls"
ASGI_APPLICATION = "agentopia.asgi.application"

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

DATABASES = {"default": environ.Env.db_url_config(ENVIRONMENT.database_url)}
# Under ASGI each request has a thread of its own, so connections are kept in a pool, not in threads.
# After a long absence of the database each request tries anew; the pool's own pauses grow to minutes.
DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {"min_size": 1, "max_size": 20, "timeout": 10, "reconnect_timeout": 5}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": ENVIRONMENT.redis_url}}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # A page's socket waits 5 s at a time for its next event: redis-py's own limit of 5 s would now and then end it in between.
        "CONFIG": {"hosts": [{"address": ENVIRONMENT.redis_url, "socket_timeout": 30}], "capacity": 500, "expiry": 30},
    },
    # Events of runs, thousands in a second: nothing of them is kept in Redis, and one that is lost is read from its row. With the layer
    # above all pages of a process share one queue there, which is read one message after the other.
    "runs": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": ENVIRONMENT.redis_url, "socket_timeout": 30}], "prefix": "agentopia.runs"},
    },
}

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "agentopia.lib.static.StaticFiles"},
}

SECURE_CSP = {
    "default-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "connect-src": [CSP.SELF],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.SELF],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
}
_secure = urlsplit(ENVIRONMENT.public_url).scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _secure
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _secure else None
TRUSTED_PROXIES = ENVIRONMENT.trusted_proxies
CSRF_TRUSTED_ORIGINS = [ENVIRONMENT.public_url] if ENVIRONMENT.public_url else []
SESSION_COOKIE_HTTPONLY = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["agentopia.lib.bodies.BoundedJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "agentopia.lib.api.Pagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "agentopia.lib.api.exception_handler",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Agentopia",
    "DESCRIPTION": "Toolboxes, the MCP servers on them, and their tools.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
}

CELERY_BROKER_URL = ENVIRONMENT.redis_url
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600, "socket_connect_timeout": 3, "socket_timeout": 10}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_max": 0.2}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_ROUTES = {"chat.perform_run": {"queue": "runs"}}
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE = {
    "due-deployments": {"task": "mcp_registry.dispatch_due_deployments", "schedule": 2.0, "options": {"expires": 10}},
    "upgrades": {"task": "mcp_registry.look_after_upgrades", "schedule": 2.0, "options": {"expires": 10}},
    "due-registries": {"task": "mcp_registry.dispatch_due_registries", "schedule": 10.0, "options": {"expires": 30}},
    "silent-toolboxes": {"task": "toolboxes.note_silence", "schedule": 5.0, "options": {"expires": 10}},
    "metrics": {"task": "toolboxes.roll_up_metrics", "schedule": 15.0, "options": {"expires": 30}},
    "server-metrics": {"task": "mcp_registry.roll_up_metrics", "schedule": 60.0, "options": {"expires": 60}},
    "old-events": {"task": "toolboxes.forget_old", "schedule": 3600.0, "options": {"expires": 600}},
    "audit": {"task": "accounts.check_audit", "schedule": 3600.0, "options": {"expires": 600}},
    "due-jobs": {"task": "toolboxes.dispatch_due_jobs", "schedule": 2.0, "options": {"expires": 10}},
    "machines": {"task": "toolboxes.look_after_machines", "schedule": 300.0, "options": {"expires": 300}},
    "receipts": {"task": "agents.drain_receipts", "schedule": 5.0, "options": {"expires": 10}},
    "due-runs": {"task": "chat.dispatch_due_runs", "schedule": 2.0, "options": {"expires": 10}},
    "old-conversations": {"task": "chat.forget_old_conversations", "schedule": crontab(hour=3, minute=20), "options": {"expires": 3600}},
    "old-deltas": {"task": "chat.forget_deltas", "schedule": 600.0, "options": {"expires": 600}},
    "approvals": {"task": "agents.expire_approvals", "schedule": 5.0, "options": {"expires": 10}},
    "old-readings": {"task": "agents.forget_old_readings", "schedule": 3600.0, "options": {"expires": 600}},
    "old-calls": {"task": "agents.forget_old_calls", "schedule": 3600.0, "options": {"expires": 600}},
    "interrupted-calls": {"task": "agents.close_interrupted_calls", "schedule": 30.0, "options": {"expires": 30}},
}

PUBLIC_URL = (ENVIRONMENT.public_url or f"http://127.0.0.1:{ENVIRONMENT.port}").rstrip("/")
INTAKE_HOST = ENVIRONMENT.intake_host
INTAKE_PORT = ENVIRONMENT.intake_port or ENVIRONMENT.port + 1000
_reached_at = urlsplit(ENVIRONMENT.public_url).hostname or (INTAKE_HOST if INTAKE_HOST != "0.0.0.0" else "127.0.0.1")  # noqa: S104
INTAKE_URL = ENVIRONMENT.intake_url.rstrip("/") or f"https://{_reached_at}:{INTAKE_PORT}"
CONTROL_PLANE_ADDRESSES = ENVIRONMENT.control_plane_addresses
DIGITALOCEAN_API_URL = ENVIRONMENT.digitalocean_api_url
PRIVATE_REGISTRIES = ENVIRONMENT.private_registries
_is_for_this_machine = not ENVIRONMENT.public_url and {"127.0.0.1", "localhost", "[::1]"}.issuperset(ALLOWED_HOSTS)
_usual_model_hosts = ["*"] if _is_for_this_machine else []
PRIVATE_MODEL_HOSTS = _usual_model_hosts if ENVIRONMENT.private_model_hosts is None else ENVIRONMENT.private_model_hosts
AGENTOPIA_MODEL = ENVIRONMENT.agentopia_model
AGENTOPIA_MODEL_KEY = ENVIRONMENT.agentopia_model_key
AGENTOPIA_MODEL_URL = ENVIRONMENT.agentopia_model_url
EMBEDDED_MODEL_URL = ENVIRONMENT.embedded_model_url.rstrip("/")
MODEL_SECONDS = ENVIRONMENT.model_seconds
AUTHORIZATION_SERVERS = ENVIRONMENT.authorization_servers
TOOLBOX_CERTIFICATE_DAYS = ENVIRONMENT.toolbox_certificate_days
HEARTBEAT_SECONDS = ENVIRONMENT.heartbeat_seconds
TOOL_CALL_TIMEOUT_SECONDS = ENVIRONMENT.tool_call_timeout_seconds
APPROVAL_SECONDS = ENVIRONMENT.approval_seconds
RUN_MAX_REQUESTS = ENVIRONMENT.run_max_requests
RUN_MAX_TOKENS = ENVIRONMENT.run_max_tokens
RUN_MAX_COST_USD = ENVIRONMENT.run_max_cost_usd
RUN_MAX_SECONDS = ENVIRONMENT.run_max_seconds
QUESTION_SECONDS = ENVIRONMENT.question_seconds

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": ENVIRONMENT.log_level},
    "loggers": {"httpx2": {"level": "WARNING"}},  # else a line for each request to a model
}
