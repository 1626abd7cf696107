"""The command palette looks for tools by parts of their names."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import migrations
from django.db.models.functions import Lower


class Migration(migrations.Migration):
    dependencies = [("mcp_registry", "0009_import")]

    operations = [
        migrations.AddIndex(
            model_name="tool",
            index=GinIndex(OpClass(Lower("name"), name="gin_trgm_ops"), name="tool_name_trigrams"),
        ),
    ]
