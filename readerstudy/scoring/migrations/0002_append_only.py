"""From here on these tables only grow: the database refuses UPDATE and DELETE."""

from django.db import migrations

from readerstudy.accounts.append_only import AppendOnly


class Migration(migrations.Migration):
    dependencies = [("scoring", "0001_initial")]

    operations = [
        AppendOnly("Score"),
        AppendOnly("Features"),
        AppendOnly("SaliencyMap"),
    ]
