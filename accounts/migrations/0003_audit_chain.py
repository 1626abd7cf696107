"""The audit becomes append-only and chained, by triggers of the database.

An inserted row gets its `body`. When its transaction commits, it gets its place in the chain: under an advisory lock, so that one
transaction after the other appends, and as the very last thing, so that whoever holds the lock waits for nothing any more. That is why
there are two steps: Django's foreign keys are checked at the commit too, in the order in which rows were written, and such a check may wait
for another transaction. What the first step queues runs after all of them. The lock's holder sees what the one before has committed, since
each statement of the function has a snapshot of its own (READ COMMITTED); in another isolation a second row of the same position is refused.
"""

import django.contrib.postgres.indexes
import django.db.models.functions.text
import django.utils.timezone
from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations, models

FUNCTIONS = r"""
CREATE FUNCTION accounts_audit_content(e accounts_auditevent) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object(
    'id', e.id, 'at', to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'actor_id', e.actor_id, 'actor', e.actor, 'owner_id', e.owner_id, 'via', e.via, 'address', host(e.address), 'action', e.action,
    'target_type', e.target_type, 'target_id', e.target_id, 'target_name', e.target_name, 'summary', e.summary, 'changes', e.changes)
$$;

CREATE FUNCTION accounts_audit_hash(previous text, place bigint, body text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT encode(sha256(convert_to(previous || E'\n' || place || E'\n' || body, 'UTF8')), 'hex')
$$;

CREATE FUNCTION accounts_audit_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.body := accounts_audit_content(NEW)::text;
  NEW.position := NULL;
  NEW.previous := NULL;
  NEW.hash := NULL;
  RETURN NEW;
END $$;

CREATE FUNCTION accounts_audit_queue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE accounts_auditevent SET position = NULL WHERE id = NEW.id;
  RETURN NULL;
END $$;

CREATE FUNCTION accounts_audit_chain() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  place bigint;
  before text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('accounts_auditevent', 0));
  SELECT position, hash INTO place, before FROM accounts_auditevent WHERE position IS NOT NULL ORDER BY position DESC LIMIT 1;
  place := coalesce(place, 0) + 1;
  before := coalesce(before, repeat('0', 64));
  UPDATE accounts_auditevent SET position = place, previous = before, hash = accounts_audit_hash(before, place, body) WHERE id = NEW.id;
  RETURN NULL;
END $$;

CREATE FUNCTION accounts_audit_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.hash IS NULL AND pg_trigger_depth() > 1
    AND to_jsonb(NEW) - '{position,previous,hash}'::text[] = to_jsonb(OLD) - '{position,previous,hash}'::text[] THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'The audit is append-only: its records are neither changed nor deleted.' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION accounts_audit_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(current_setting('agentopia.audit_may_be_emptied', true), '') <> 'on' THEN
    RAISE EXCEPTION 'The audit is append-only: it is not emptied.' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER audit_1_inserted BEFORE INSERT ON accounts_auditevent FOR EACH ROW EXECUTE FUNCTION accounts_audit_inserted();
CREATE TRIGGER audit_2_guard BEFORE UPDATE OR DELETE ON accounts_auditevent FOR EACH ROW EXECUTE FUNCTION accounts_audit_guard();
CREATE TRIGGER audit_3_keep BEFORE TRUNCATE ON accounts_auditevent FOR EACH STATEMENT EXECUTE FUNCTION accounts_audit_keep();
CREATE CONSTRAINT TRIGGER audit_4_queue AFTER INSERT ON accounts_auditevent DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION accounts_audit_queue();
CREATE CONSTRAINT TRIGGER audit_5_chain AFTER UPDATE ON accounts_auditevent DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW.hash IS NULL) EXECUTE FUNCTION accounts_audit_chain();
"""

# What was recorded before there was a chain begins it.
EARLIER = """
UPDATE accounts_auditevent AS e SET body = accounts_audit_content(e)::text;
DO $$
DECLARE
  e accounts_auditevent;
  place bigint := 0;
  before text := repeat('0', 64);
BEGIN
  FOR e IN SELECT * FROM accounts_auditevent ORDER BY id LOOP
    place := place + 1;
    UPDATE accounts_auditevent SET position = place, previous = before, hash = accounts_audit_hash(before, place, e.body) WHERE id = e.id
      RETURNING hash INTO before;
  END LOOP;
END $$;
"""

REMOVED = """
DROP TRIGGER audit_1_inserted ON accounts_auditevent;
DROP TRIGGER audit_2_guard ON accounts_auditevent;
DROP TRIGGER audit_3_keep ON accounts_auditevent;
DROP TRIGGER audit_4_queue ON accounts_auditevent;
DROP TRIGGER audit_5_chain ON accounts_auditevent;
DROP FUNCTION accounts_audit_content, accounts_audit_hash, accounts_audit_inserted, accounts_audit_queue, accounts_audit_chain,
  accounts_audit_guard, accounts_audit_keep;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_audit'),
    ]

    operations = [
        TrigramExtension(),
        migrations.CreateModel(
            name='AuditCheck',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('position', models.BigIntegerField(help_text='How far the chain is sound: the place of the last record that is.')),
                ('hash', models.CharField(blank=True, max_length=64)),
                ('problem', models.TextField(blank=True, help_text='Where it breaks and how, for a person; empty: nowhere.')),
                ('seconds', models.FloatField()),
            ],
            options={
                'ordering': ('-at', '-pk'),
            },
        ),
        migrations.AddField(
            model_name='auditevent',
            name='body',
            field=models.TextField(blank=True, default='', editable=False, help_text='All of the above as JSON: the text that is hashed.'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='auditevent',
            name='position',
            field=models.BigIntegerField(editable=False, help_text='Its place in the chain, from 1, without gaps.', null=True, unique=True),
        ),
        migrations.AddField(
            model_name='auditevent',
            name='previous',
            field=models.CharField(editable=False, help_text='The hash before it; 64 zeros for the first.', max_length=64, null=True),
        ),
        migrations.AddField(
            model_name='auditevent',
            name='hash',
            field=models.CharField(editable=False, max_length=64, null=True, unique=True),
        ),
        migrations.AddIndex(
            model_name='auditevent',
            index=models.Index(fields=['actor_id', '-id'], name='audit_of_actor'),
        ),
        migrations.AddIndex(
            model_name='auditevent',
            index=models.Index(fields=['target_id', '-id'], name='audit_of_target'),
        ),
        migrations.AddIndex(
            model_name='auditevent',
            index=models.Index(fields=['action', '-id'], name='audit_of_action'),
        ),
        migrations.AddIndex(
            model_name='auditevent',
            index=models.Index(fields=['at'], name='audit_at'),
        ),
        migrations.AddIndex(
            model_name='auditevent',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('body'), name='gin_trgm_ops'), name='audit_trigrams'),
        ),
        migrations.RunSQL(FUNCTIONS + EARLIER + TRIGGERS, REMOVED),
    ]
