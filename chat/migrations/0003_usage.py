"""What models were used for has rows of its own, which outlive conversations; what existing runs used is carried over."""

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

# A run knew the provider that answered last: what it used of others before is that one's too, as it was counted until now.
CARRY_OVER = """
INSERT INTO chat_modelusage (
    owner_id, agent_id, agent_name, provider_id, provider_name, model, run_id,
    created_at, requests, input_tokens, output_tokens, cost_usd
)
SELECT
    conversation.owner_id, conversation.agent_id, conversation.agent_name, run.provider_id, coalesce(provider.name, ''), run.model, run.id,
    run.created_at, run.requests, run.input_tokens, run.output_tokens, run.cost_usd
FROM chat_run run
JOIN chat_conversation conversation ON conversation.id = run.conversation_id
LEFT JOIN chat_modelprovider provider ON provider.id = run.provider_id
WHERE run.requests > 0
"""


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0003_agents_and_grants"),
        ("chat", "0002_search"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="modelprovider",
            name="context_tokens",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="What its models take in at once, question and answer together; null: as is known of them.",
                null=True,
                validators=[django.core.validators.MinValueValidator(2000), django.core.validators.MaxValueValidator(2000000)],
            ),
        ),
        migrations.CreateModel(
            name="ModelUsage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("agent_name", models.CharField(help_text="Kept when the agent is deleted.", max_length=100)),
                ("provider_name", models.CharField(help_text="Kept when the provider is deleted.", max_length=60)),
                ("model", models.CharField(help_text="As its provider calls it.", max_length=200)),
                ("created_at", models.DateTimeField(help_text="Of its first request, whose month all of it counts for.")),
                ("requests", models.PositiveIntegerField(default=0)),
                ("input_tokens", models.PositiveIntegerField(default=0)),
                ("output_tokens", models.PositiveIntegerField(default=0)),
                (
                    "cost_usd",
                    models.DecimalField(blank=True, decimal_places=6, help_text="Null where no price is known.", max_digits=12, null=True),
                ),
                (
                    "agent",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="agents.agent"
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="model_usage",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="usage",
                        to="chat.modelprovider",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        help_text="Null: it was deleted.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="usage",
                        to="chat.run",
                    ),
                ),
            ],
            options={"verbose_name": "use of a model", "verbose_name_plural": "use of models", "ordering": ("-created_at", "pk")},
        ),
        migrations.RunSQL(CARRY_OVER, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="modelusage",
            constraint=models.UniqueConstraint(
                condition=Q(("run__isnull", False)), fields=("run", "provider", "model"), name="one_usage_per_run_and_model"
            ),
        ),
        migrations.AddIndex(model_name="modelusage", index=models.Index(fields=["owner", "created_at"], name="usage_of_owner")),
        migrations.AddIndex(model_name="modelusage", index=models.Index(fields=["provider", "created_at"], name="usage_of_provider")),
        migrations.RemoveIndex(model_name="run", name="runs_of_provider"),
    ]
