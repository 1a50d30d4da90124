"""An event that is reported twice is stored once. The column is added in place: the table's triggers stay."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('readings', '0002_append_only'),
    ]

    operations = [
        migrations.AddField(
            model_name='sessionevent',
            name='report',
            field=models.UUIDField(null=True),
        ),
        migrations.AddConstraint(
            model_name='sessionevent',
            constraint=models.UniqueConstraint(condition=models.Q(('report__isnull', False)), fields=('report',), name='session_event_report_once'),
        ),
    ]
