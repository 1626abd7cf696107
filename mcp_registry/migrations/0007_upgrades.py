import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ('mcp_registry', '0006_catalogue'),
    ]

    operations = [
        migrations.AddField(
            model_name='upgrade',
            name='removal_after',
            field=models.DateTimeField(
                default=django.utils.timezone.now, help_text='When the trial is to be removed, or its removal tried again.'
            ),
        ),
        migrations.AddField(
            model_name='upgrade',
            name='last_log',
            field=models.JSONField(blank=True, default=list, help_text='The last lines of a trial that did not become ready.'),
        ),
    ]
