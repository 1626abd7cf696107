"""What was there before there were origins, versions and revisions; and the trigger that writes what entries are searched by."""

from django.db import migrations

WRITE_TEXT = """
CREATE FUNCTION mcp_registry_entry_text() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.text :=
        setweight(to_tsvector('english', NEW.slug || ' ' || NEW.title || ' ' || NEW.name), 'A')
        || setweight(to_tsvector('english', NEW.description || ' ' || NEW.category), 'B')
        || setweight(to_tsvector('english', NEW.tool_names), 'C');
    RETURN NEW;
END $$;
CREATE TRIGGER entry_text BEFORE INSERT OR UPDATE ON mcp_registry_catalogentry
    FOR EACH ROW EXECUTE FUNCTION mcp_registry_entry_text();
"""
FORGET_TEXT = """
DROP TRIGGER entry_text ON mcp_registry_catalogentry;
DROP FUNCTION mcp_registry_entry_text();
"""
# What was there before there were origins, versions and revisions.
FILL = """
UPDATE mcp_registry_catalogentry SET origin = 'shipped' WHERE owner_id IS NULL;
UPDATE mcp_registry_mcpserver SET version = COALESCE(manifest->>'version', '');
INSERT INTO mcp_registry_entryversion (entry_id, version, manifest, published_at)
    SELECT id, version, manifest, updated_at FROM mcp_registry_catalogentry;
INSERT INTO mcp_registry_revision
        (server_id, generation, at, by_id, summary, manifest, package, config, overrides, shared_volumes, secrets)
    SELECT id, generation, created_at, owner_id, 'Deployed', manifest, package, config, overrides, shared_volumes, secrets
    FROM mcp_registry_mcpserver;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('mcp_registry', '0004_catalogue_and_revisions'),
    ]

    operations = [
        migrations.RunSQL(WRITE_TEXT, FORGET_TEXT),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
