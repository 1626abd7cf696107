from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ('mcp_registry', '0008_metrics'),
    ]

    operations = [
        migrations.AddField(
            model_name='registry',
            name='pages',
            field=models.PositiveIntegerField(default=0, editable=False, help_text='That the last round has read.'),
        ),
        migrations.AddField(
            model_name='registry',
            name='reasons',
            field=models.JSONField(default=list, editable=False, help_text='The first reasons for which it refused entries.'),
        ),
    ]
