"""What the user decided: settings, where they come from, and the names that follow from them.

`whatschat_ops.config.settings` is the model, `loading` merges flags, environment, file and defaults,
`names` derives every AWS resource name.
"""

from whatschat_ops.config.loading import LoadedSettings, load_settings
from whatschat_ops.config.located import Origin
from whatschat_ops.config.names import Names
from whatschat_ops.config.settings import Settings

__all__ = ["LoadedSettings", "Names", "Origin", "Settings", "load_settings"]
