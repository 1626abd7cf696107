"""What the catalogue is searched by: names without the prefix that most have, tags, packages, whole words beside their stems."""

import django.contrib.postgres.indexes
import django.db.models.expressions
import django.db.models.functions.comparison
import django.db.models.functions.math
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

FUNCTION = """
CREATE OR REPLACE FUNCTION mcp_registry_entry_text() RETURNS trigger LANGUAGE plpgsql AS $$
{body}
$$;
"""
# Words are kept as they are ("simple") and by their stems ("english"): while one types, what is there is often neither a stem nor a whole
# word. Names and packages are cut at everything that is no letter or digit; PostgreSQL would take them for addresses of hosts.
BODY = """
DECLARE
    called text := NEW.title || ' ' || regexp_replace(replace(lower(NEW.name), 'io.github.', ''), '[^[:alnum:]]+', ' ', 'g');
    package text := regexp_replace(COALESCE(NEW.manifest->'packages'->0->>'identifier', ''), '[^[:alnum:]]+', ' ', 'g');
BEGIN
    NEW.text :=
        setweight(to_tsvector('simple', called) || to_tsvector('english', called), 'A')
        || setweight(to_tsvector('simple', NEW.tags) || to_tsvector('english', NEW.tags), 'B')
        || setweight(to_tsvector('english', NEW.category), 'B')
        || setweight(to_tsvector('simple', NEW.description) || to_tsvector('english', NEW.description), 'C')
        || setweight(to_tsvector('simple', package), 'C')
        || setweight(to_tsvector('english', NEW.tool_names), 'D');
    RETURN NEW;
END
"""
# It is read for every entry that a search finds: it stays in the row, and the document, which nobody reads then, goes out of line first.
STORAGE = "ALTER TABLE mcp_registry_catalogentry ALTER COLUMN text SET STORAGE MAIN"
BEFORE = """
BEGIN
    NEW.text :=
        setweight(to_tsvector('english', NEW.slug || ' ' || NEW.title || ' ' || NEW.name), 'A')
        || setweight(to_tsvector('english', NEW.description || ' ' || NEW.category), 'B')
        || setweight(to_tsvector('english', NEW.tool_names), 'C');
    RETURN NEW;
END
"""
FILL = """
WITH asked AS (
    SELECT id, COALESCE(
        profile_override, manifest->'_meta'->'io.modelcontextprotocol.registry/publisher-provided'->'agentopia', '{}'
    ) AS profile FROM mcp_registry_catalogentry
)
UPDATE mcp_registry_catalogentry SET
    cpus = COALESCE((profile->>'cpus')::float, 1),
    host_count = COALESCE(jsonb_array_length(profile->'hosts'), 0),
    keeps_data = COALESCE(jsonb_array_length(profile->'volumes'), 0) > 0
FROM asked WHERE asked.id = mcp_registry_catalogentry.id;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('mcp_registry', '0005_fill'),
    ]

    operations = [
        migrations.RemoveIndex(model_name='catalogentry', name='entry_name_trigrams'),
        migrations.AddField(
            model_name='entryoutcome',
            name='server',
            field=models.UUIDField(editable=False, help_text="The server's id, which may be gone.", null=True, unique=True),
        ),
        migrations.AddField(
            model_name='catalogentry',
            name='cpus',
            field=models.FloatField(default=1, help_text='Processors that a server of it may use.'),
        ),
        migrations.AddField(
            model_name='catalogentry',
            name='host_count',
            field=models.PositiveSmallIntegerField(default=0, help_text='How many hosts it may reach where these are named.'),
        ),
        migrations.AddField(
            model_name='catalogentry',
            name='keeps_data',
            field=models.BooleanField(default=False, help_text='It has a volume of its own.'),
        ),
        migrations.AddField(
            model_name='catalogentry',
            name='audience',
            field=models.GeneratedField(db_persist=True, expression=models.Case(models.When(published_at__isnull=True, then=django.db.models.functions.comparison.Cast(models.F('owner'), models.BigIntegerField())), default=None, output_field=models.BigIntegerField()), output_field=models.BigIntegerField(null=True)),
        ),
        migrations.AddField(
            model_name='catalogentry',
            name='facets',
            field=models.GeneratedField(db_persist=True, expression=django.db.models.functions.text.Concat('runtime', models.Value('|'), 'transport', models.Value('|'), 'origin', models.Value('|'), django.db.models.functions.comparison.Cast('owner', models.TextField()), models.Value('|'), models.Case(models.When(then=models.Value('v'), verified_at__isnull=False), default=models.Value(''), output_field=models.TextField()), models.Value('|'), models.Case(models.When(one_click=True, then=models.Value('o')), default=models.Value(''), output_field=models.TextField()), models.Value('|'), models.Case(models.When(needs_secret=True, then=models.Value('s')), default=models.Value(''), output_field=models.TextField()), models.Value('|'), django.db.models.functions.comparison.Cast('memory_mb', models.TextField()), models.Value('|'), django.db.models.functions.comparison.Cast('cpus', models.TextField()), models.Value('|'), 'category', output_field=models.TextField()), output_field=models.TextField()),
        ),
        migrations.AddField(
            model_name='catalogentry',
            name='handle',
            field=models.GeneratedField(db_persist=True, expression=django.db.models.functions.text.Lower(django.db.models.functions.text.Concat(django.db.models.functions.text.Replace('name', models.Value('io.github.'), models.Value('')), models.Value(' '), 'category', models.Value(' '), django.db.models.functions.comparison.Cast('tags', models.TextField()), output_field=models.TextField())), output_field=models.TextField()),
        ),
        migrations.AddField(
            model_name='catalogentry',
            name='standing',
            field=models.GeneratedField(db_persist=True, expression=django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.Case(models.When(then=models.Value(0.15), verified_at__isnull=False), default=models.Value(0.0), output_field=models.FloatField()), '+', models.Case(models.When(origin='shipped', then=models.Value(0.15)), default=models.Value(0.0), output_field=models.FloatField())), '+', django.db.models.functions.comparison.Least(django.db.models.expressions.CombinedExpression(django.db.models.functions.math.Ln(django.db.models.expressions.CombinedExpression(django.db.models.functions.comparison.Cast('deployed_count', models.FloatField()), '+', models.Value(1.0))), '*', models.Value(0.05)), models.Value(0.3), output_field=models.FloatField())), '-', models.Case(models.When(deprecated=True, then=models.Value(1.0)), default=models.Value(0.0), output_field=models.FloatField())), output_field=models.FloatField()),
        ),
        migrations.AddIndex(
            model_name='catalogentry',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(models.F('handle'), name='gin_trgm_ops'), name='entry_handle_trigrams'),
        ),
        migrations.AddIndex(
            model_name='catalogentry',
            index=models.Index(condition=models.Q(('hidden', False), ('withdrawn', False)), fields=['audience', 'facets'], name='entry_facets'),
        ),
        migrations.AddIndex(
            model_name='catalogentry',
            index=models.Index(condition=models.Q(('hidden', False), ('withdrawn', False)), fields=['category', 'audience'], name='entry_categories'),
        ),
        migrations.AddIndex(
            model_name='catalogentry',
            index=models.Index(condition=models.Q(('hidden', False), ('withdrawn', False), ('featured', True)), fields=['standing'], name='entry_featured'),
        ),
        migrations.AddIndex(
            model_name='catalogentry',
            index=models.Index(models.OrderBy(models.F('standing'), descending=True), django.db.models.functions.text.Lower('title'), models.F('id'), condition=models.Q(('hidden', False), ('withdrawn', False)), name='entry_by_standing'),
        ),
        migrations.AddIndex(
            model_name='catalogentry',
            index=models.Index(models.OrderBy(models.F('deployed_count'), descending=True), django.db.models.functions.text.Lower('title'), models.F('id'), condition=models.Q(('hidden', False), ('withdrawn', False)), name='entry_by_deployed'),
        ),
        migrations.AddIndex(
            model_name='catalogentry',
            index=models.Index(models.OrderBy(models.F('created_at'), descending=True), models.F('id'), condition=models.Q(('hidden', False), ('withdrawn', False)), name='entry_by_age'),
        ),
        migrations.AddIndex(
            model_name='catalogentry',
            index=models.Index(django.db.models.functions.text.Lower('title'), models.F('id'), condition=models.Q(('hidden', False), ('withdrawn', False)), name='entry_by_title'),
        ),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
        migrations.RunSQL(FUNCTION.format(body=BODY), FUNCTION.format(body=BEFORE)),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),  # writes the text of each, too
    ]
