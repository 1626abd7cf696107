from __future__ import annotations

from django.urls import path

from accounts.sign_in import SignIn, SignOut

urlpatterns = [
    path("login/", SignIn.as_view(), name="login"),
    path("logout/", SignOut.as_view(), name="logout"),
]
