from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("mcp_registry", "0010_palette")]

    operations = [
        migrations.AddIndex(
            model_name="deployment",
            index=models.Index(fields=["-created_at"], name="newest_deployments"),
        ),
    ]
