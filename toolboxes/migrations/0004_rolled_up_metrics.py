from django.db import migrations, models

# Room on every page for the next version of its rows. Rows that are written over again and again (a toolbox by each of its heartbeats, a
# moment's figures by those of the next round) then stay on their pages, no index is touched, and the tables do not grow.
FILL_FACTORS = {"toolboxes_toolbox": 50, "toolboxes_metric": 90}


class Migration(migrations.Migration):
    dependencies = [
        ("toolboxes", "0003_jobs_and_machines"),
    ]

    operations = [
        migrations.CreateModel(
            name="RollUp",
            fields=[
                (
                    "resolution",
                    models.PositiveSmallIntegerField(
                        choices=[(15, "Raw"), (60, "Minute"), (600, "Ten Minutes")], primary_key=True, serialize=False
                    ),
                ),
                ("until", models.DateTimeField()),
            ],
        ),
        *(
            migrations.RunSQL(f"ALTER TABLE {table} SET (fillfactor = {percent})", f"ALTER TABLE {table} RESET (fillfactor)")
            for table, percent in FILL_FACTORS.items()
        ),
    ]
