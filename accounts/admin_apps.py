from django.contrib.admin.apps import AdminConfig


class AdministrationConfig(AdminConfig):
    """In ``INSTALLED_APPS`` in place of ``django.contrib.admin``."""

    default_site = "accounts.admin_site.Administration"
