"""What readers say of themselves, more of it. SQLite makes the table anew for that, so its triggers are set again."""

from django.db import migrations, models

from readerstudy.accounts.append_only import Alterable, AppendOnly


class Migration(migrations.Migration):

    dependencies = [
        ('readers', '0003_language'),
    ]

    operations = [
        Alterable("Profile"),
        migrations.AddField(
            model_name='profile',
            name='country',
            field=models.CharField(blank=True, max_length=2, verbose_name='country'),
        ),
        migrations.AddField(
            model_name='profile',
            name='dermoscopy_training',
            field=models.CharField(blank=True, choices=[('none', 'none'), ('course', 'one course or several'), ('certificate', 'a certificate or diploma')], max_length=12, verbose_name='training in dermoscopy'),
        ),
        migrations.AddField(
            model_name='profile',
            name='device',
            field=models.CharField(blank=True, choices=[('phone', 'a phone'), ('tablet', 'a tablet'), ('laptop', 'a laptop'), ('desktop', 'a desktop computer')], max_length=8, verbose_name='device'),
        ),
        migrations.AddConstraint(
            model_name='profile',
            constraint=models.CheckConstraint(condition=models.Q(('dermoscopy_training__in', ['', 'none', 'course', 'certificate']), ('device__in', ['', 'phone', 'tablet', 'laptop', 'desktop'])), name='profile_training_and_device_known'),
        ),
        AppendOnly("Profile"),
    ]
