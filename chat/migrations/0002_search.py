"""Conversations are searched in their titles and in what was said; their list has an index of its order."""

import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import BtreeGinExtension
from django.contrib.postgres.search import SearchVectorField
from django.db import migrations, models
from django.db.models import F

# Marks become spaces, so that the parts of paths, addresses and names are words too. What can be said at most is more than a text search
# vector can hold; its beginning is searched.
WRITE_WORDS = r"""
CREATE FUNCTION chat_write_words() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    marks CONSTANT text := $marks$!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~$marks$;
    said CONSTANT text := left(NEW.text, 20000) || ' ' || left(NEW.answer, 50000);
BEGIN
    IF NEW.is_superseded THEN
        DELETE FROM chat_words WHERE run_id = NEW.id;
        RETURN NULL;
    END IF;
    INSERT INTO chat_words (run_id, conversation_id, owner_id, words)
        SELECT NEW.id, id, owner_id, strip(to_tsvector('simple', translate(said, marks, repeat(' ', length(marks)))))
        FROM chat_conversation WHERE id = NEW.conversation_id
        ON CONFLICT (run_id) DO UPDATE SET words = EXCLUDED.words;
    RETURN NULL;
END $$;
CREATE TRIGGER words_of_new_run AFTER INSERT ON chat_run FOR EACH ROW EXECUTE FUNCTION chat_write_words();
CREATE TRIGGER words_of_run AFTER UPDATE OF text, answer, is_superseded ON chat_run FOR EACH ROW
    WHEN ((OLD.text, OLD.answer, OLD.is_superseded) IS DISTINCT FROM (NEW.text, NEW.answer, NEW.is_superseded))
    EXECUTE FUNCTION chat_write_words();
"""
FORGET_WORDS = """
DROP TRIGGER words_of_new_run ON chat_run;
DROP TRIGGER words_of_run ON chat_run;
DROP FUNCTION chat_write_words();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        BtreeGinExtension(),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index("owner", F("pinned_at").desc(nulls_last=True), F("updated_at").desc(), "id", name="conversations_in_order"),
        ),
        migrations.CreateModel(
            name="Words",
            fields=[
                (
                    "run",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name="words", serialize=False, to="chat.run"
                    ),
                ),
                (
                    "conversation",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="words", to="chat.conversation"),
                ),
                (
                    "owner",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL),
                ),
                ("words", SearchVectorField(editable=False)),
            ],
            options={"indexes": [GinIndex(fields=["owner", "words"], name="words_of_owner")]},
        ),
        migrations.RunSQL(WRITE_WORDS, FORGET_WORDS),
    ]
