"""The embedded Amazon Chime SDK Meetings service: the API without media.

It handles the signed HTTP requests that any AWS client sends to `chime-sdk-meetings`, from botocore's description of
that service. `protocol` parses requests and builds responses, `validation` checks shapes, `rules` checks what AWS
documents besides the shapes, `operations` implements the calls, `state` stores the meetings, `service` connects them.
A meeting cannot be joined: there is no audio, video or signalling.
"""

from whatschat_ops.local.chime.service import ChimeMeetings

__all__ = ["ChimeMeetings"]
