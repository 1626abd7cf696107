from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import schema, token_announcements  # noqa: F401, PLC0415 (they register themselves, which needs loaded apps)
