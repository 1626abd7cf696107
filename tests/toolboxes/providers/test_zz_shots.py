import os
import threading
import time

import pytest
import uvicorn

from tests.toolboxes.providers.conftest import *

os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]="1"

@pytest.mark.django_db(transaction=True)
def test_shots(user, browser, order, double, settings):
    from agentopia.asgi import application
    settings.ALLOWED_HOSTS=["*"]
    box = order(name="Frankfurt box")
    work_until(box, at("enrolled"))
    double.cloud.droplet_limit = 1
    failed = order(name="One too many")
    work_until(failed, finished)
    removing = order(name="Going")
    answer = browser.post("/toolboxes/add/own_server/", {"name": "Attic server with a rather long name"})
    cfg = uvicorn.Config(application, port=8977, log_level="warning", lifespan="on")
    server = uvicorn.Server(cfg)
    t = threading.Thread(target=server.run, daemon=True); t.start()
    while not server.started: time.sleep(.05)
    from playwright.sync_api import sync_playwright

    from tests.e2e.browser import ARGUMENTS
    cookie = browser.cookies["sessionid"].value
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        for scheme in ("light","dark"):
            for width in (1280,380):
                ctx=b.new_context(viewport={"width":width,"height":800}, color_scheme=scheme)
                ctx.add_cookies([{"name":"sessionid","value":cookie,"url":"http://127.0.0.1:8977"}])
                page=ctx.new_page()
                said=[]
                page.on("console", lambda m: said.append(m.text) if m.type in("error","warning") else None)
                page.on("pageerror", lambda e: said.append(str(e)))
                for name,path in {"choose":"/toolboxes/add/","droplet":"/toolboxes/add/digital_ocean/","own":answer["Location"],"job":f"/toolboxes/{box.pk}/setup/","failed":f"/toolboxes/{failed.pk}/setup/","accounts":"/toolboxes/accounts/","account":"/toolboxes/accounts/add/digital_ocean/","detail":f"/toolboxes/{box.pk}/"}.items():
                    page.goto("http://127.0.0.1:8977"+path); page.wait_for_timeout(500)
                    if name=="droplet" and width==1280:
                        page.select_option("#id_region","nyc3"); page.wait_for_timeout(600)
                        assert "c-2" in page.inner_html("#id_size")
                    page.screenshot(path=f"/tmp/shots/{name}-{scheme}-{width}.png", full_page=False)
                    print(name,scheme,width,page.evaluate("document.documentElement.scrollWidth - window.innerWidth"), said); said.clear()
        b.close()
    server.should_exit=True; t.join()
