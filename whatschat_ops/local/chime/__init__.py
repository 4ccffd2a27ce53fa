"""The embedded Amazon Chime SDK Meetings service: the API without the media.

It answers the signed HTTP calls that any AWS client makes to `chime-sdk-meetings`, from botocore's own description
of that service. `protocol` knows the wire, `validation` the shapes, `rules` what AWS documents beside them,
`operations` what the calls do, `state` what outlives the process, `service` puts them together.
Nobody can join a meeting here: no audio, video or signalling is served.
"""

from whatschat_ops.local.chime.service import ChimeMeetings

__all__ = ["ChimeMeetings"]
