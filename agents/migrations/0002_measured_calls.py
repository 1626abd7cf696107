"""Figures of a server's calls are read from its index alone."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agents", "0001_initial")]

    operations = [
        migrations.RemoveIndex(model_name="toolcall", name="tool_calls_of_server"),
        migrations.AddIndex(
            model_name="toolcall",
            index=models.Index(fields=["server", "-created_at"], include=("status", "duration_ms"), name="measured_calls_of_server"),
        ),
        migrations.AlterField(  # that index serves for it too
            model_name="toolcall",
            name="server",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="tool_calls",
                to="mcp_registry.mcpserver",
            ),
        ),
    ]
