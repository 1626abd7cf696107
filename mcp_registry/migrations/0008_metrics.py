"""How much of a span servers' figures speak of, and until when the coarser ones were made."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mcp_registry", "0007_upgrades")]

    operations = [
        migrations.AddField(
            model_name="servermetric",
            name="seconds",
            field=models.FloatField(default=0, help_text="For which there are figures."),
        ),
        migrations.AlterField(
            model_name="servermetric",
            name="received_bytes",
            field=models.BigIntegerField(help_text="Over the network, in these seconds.", null=True),
        ),
        migrations.AlterField(
            model_name="servermetric",
            name="sent_bytes",
            field=models.BigIntegerField(help_text="Over the network, in these seconds.", null=True),
        ),
        migrations.CreateModel(
            name="ServerRollUp",
            fields=[
                (
                    "resolution",
                    models.PositiveSmallIntegerField(choices=[(60, "Minute"), (600, "Ten Minutes")], primary_key=True, serialize=False),
                ),
                ("until", models.DateTimeField()),
            ],
        ),
    ]
