"""Why there are no AWS credentials, in one sentence that names the profile, with the command to run next.

Takes what botocore raises on its way to credentials and what the user's profile says; gives a `CredentialsError`. Sources: the
exceptions of botocore's credential providers (`botocore/credentials.py`, `tokens.py`, `utils.py`), and AWS SDKs and Tools
Reference Guide, "Standardized credential providers".
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from whatschat_ops.aws.clock import clock_error
from whatschat_ops.errors import CredentialsError, OpsError
from whatschat_ops.redaction import redact

NO_CREDENTIALS_HINT: Final = "Name a profile with --profile (aws configure list-profiles), make one with aws configure sso, or work locally with -e local."
_LONGEST_REASON: Final = 200


AskCode = Callable[[str], str]
"""Asks for an MFA code with this prompt. Raises EOFError when there is no terminal."""


def no_terminal(prompt: str) -> str:
    """An `AskCode` that cannot ask."""
    raise EOFError(prompt)


class Reason(NamedTuple):
    """Why, as the rest of a sentence, and what to do."""

    why: str
    hint: str


@dataclass(frozen=True, slots=True)
class Identity:
    """What the user works as. `profiles` maps the name of a profile to its settings, those of its sso-session included."""

    profile: str
    profiles: Mapping[str, Mapping[str, Any]]
    environ: Mapping[str, str]
    profile_is_given: bool = False
    """Whether --profile or a setting named it: then it wins over keys in the environment."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Those of the profile."""
        return self.profiles.get(self.profile, {})

    @property
    def source(self) -> str:
        """The profile that the keys come from: the last of a chain of `source_profile`."""
        chain = [self.profile]
        while (name := self.profiles.get(chain[-1], {}).get("source_profile")) and name not in chain:
            chain.append(name)
        return chain[-1]

    @property
    def mfa_device(self) -> str | None:
        """The device whose code the role of the profile needs; None: it needs none."""
        needs = "role_arn" in self.settings and not self.from_environment
        return self.settings.get("mfa_serial") if needs else None

    @property
    def from_environment(self) -> bool:
        """Whether the keys are those of the environment's variables."""
        return not self.profile_is_given and bool(self.environ.get("AWS_ACCESS_KEY_ID"))

    @property
    def place(self) -> str:
        """` --profile NAME` for a command of the AWS CLI; nothing for the profile that is the default."""
        return option(self.profile)

    def __str__(self) -> str:
        if self.from_environment:
            return "the variable AWS_ACCESS_KEY_ID"
        return f"the profile {self.profile!r}"


def option(profile: str) -> str:
    """` --profile NAME`, or nothing for the default one."""
    return "" if profile == "default" else f" --profile {shlex.quote(profile)}"


def no_credentials(error: Exception | None, identity: Identity) -> CredentialsError:
    """The error for whatever went wrong on the way to credentials; None: none were found."""
    if isinstance(error, CredentialsError):
        return error
    if isinstance(error, OpsError):
        return CredentialsError(
            f"There are no AWS credentials for {identity}: {error.message}", hint=error.hint
        )
    if error is None:
        return CredentialsError(
            f"No AWS credentials were found: neither variables nor {identity} give any.",
            hint=NO_CREDENTIALS_HINT,
        )
    found = _reason(error, identity)
    return CredentialsError(f"There are no AWS credentials for {identity}: {found.why}.", hint=found.hint)


def rejected_keys(identity: Identity) -> str:
    """What to do when AWS does not accept the keys."""
    settings, place = identity.settings, identity.place
    if identity.from_environment:
        return "Set the variables to valid keys, or unset them and use --profile; see whose they are: aws sts get-caller-identity"
    if _is_sso(settings):
        return f"Log in again: aws sso login{place}"
    if "login_session" in settings:
        return f"Log in again: aws login{place}"
    if "aws_access_key_id" in settings:
        return f"Give the profile valid keys: aws configure{place}"
    return f"See which identity is used: aws sts get-caller-identity{place}"


def _reason(error: Exception, identity: Identity) -> Reason:
    from botocore import exceptions as botocore

    if isinstance(error, botocore.ClientError):
        return _refused(error, identity)
    for kinds, explain in (
        ((EOFError,), _no_code),
        ((botocore.RefreshWithMFAUnsupportedError,), _session_ended),
        ((botocore.SSOError, botocore.TokenRetrievalError), _no_login),
        ((botocore.LoginError,), _no_sign_in),
        ((botocore.ProfileNotFound,), _no_profile),
        ((botocore.PartialCredentialsError,), _partial),
        ((botocore.InvalidConfigError, botocore.ConfigParseError, botocore.ConfigNotFound), _bad_profile),
        ((botocore.MissingDependencyException,), _no_library),
        ((botocore.HTTPClientError, botocore.ConnectionError), _unreachable),
        ((botocore.CredentialRetrievalError, botocore.MetadataRetrievalError), _not_retrieved),
    ):
        if isinstance(error, kinds):
            return explain(error, identity)
    return _of_the_source(error, identity)


def _refused(error: Any, identity: Identity) -> Reason:
    """STS or IAM Identity Center answered with an error."""
    operation, text = error.operation_name, _text(error.response.get("Error", {}).get("Message") or error)
    code = str(error.response.get("Error", {}).get("Code", ""))
    settings = identity.settings
    clock = clock_error(code, text, error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}))
    if clock:
        return Reason(f"AWS refuses the signature, because {clock.why}", clock.hint)
    if operation == "GetRoleCredentials":
        source = identity.profiles.get(identity.source, {})
        return Reason(
            f"IAM Identity Center does not give the role {source.get('sso_role_name')} "
            f"of account {source.get('sso_account_id')}: {text}",
            f"See which accounts and roles there are: aws configure sso{option(identity.source)}",
        )
    if operation == "AssumeRoleWithWebIdentity":
        return Reason(
            f"AWS does not accept the web identity token of {_token_file(identity)}: {text}",
            f"Write a new token into that file, then try it: aws sts get-caller-identity{identity.place}",
        )
    if "multifactorauthentication" in text.lower():
        return Reason(
            f"AWS did not accept the MFA code of {settings.get('mfa_serial', 'the device')}: {text}",
            "Wait for the device's next code, and run the same command again.",
        )
    if code == "AccessDenied" and operation == "AssumeRole":
        return Reason(
            f"the role {settings.get('role_arn')} cannot be assumed: {text}",
            "The role's trust policy and the caller's own policies must allow sts:AssumeRole; "
            f"see who the caller is: aws sts get-caller-identity{option(identity.source)}",
        )
    of_source = replace(identity, profile=identity.source)
    return Reason(f"{operation}: {text} ({code})", rejected_keys(of_source))


def _no_code(_: Exception, identity: Identity) -> Reason:
    return Reason(
        f"its role needs a code of the MFA device {identity.settings.get('mfa_serial', '')}, "
        "and there is no terminal to ask for it",
        f"Run this once in a terminal; its keys are kept for later commands: aws sts get-caller-identity{identity.place}",
    )


def _session_ended(_: Exception, identity: Identity) -> Reason:
    return Reason(
        f"its session has ended, and a new one needs a code of the MFA device {identity.settings.get('mfa_serial', '')}",
        "End this command and run it again: it asks for the code when it starts.",
    )


def _no_login(error: Exception, identity: Identity) -> Reason:
    never = "does not exist" in str(error)
    return Reason(
        "you are not logged in to IAM Identity Center (SSO) on this machine"
        if never
        else "the login to IAM Identity Center (SSO) has expired",
        f"Log in: aws sso login{option(identity.source)}",
    )


def _no_sign_in(error: Exception, identity: Identity) -> Reason:
    return Reason(f"the login has ended: {_text(error)}", f"Log in: aws login{option(identity.source)}")


def _no_profile(_: Exception, identity: Identity) -> Reason:
    files = identity.environ.get("AWS_CONFIG_FILE") or "~/.aws/config or ~/.aws/credentials"
    return Reason(f"{files} has no such profile", "Choose one of: aws configure list-profiles")


def _partial(error: Any, identity: Identity) -> Reason:
    missing = error.kwargs.get("cred_var", "a value")
    if error.kwargs.get("provider") == "env":
        other = "AWS_ACCESS_KEY_ID" if "SECRET" in missing.upper() else "AWS_SECRET_ACCESS_KEY"
        return Reason(
            f"{missing.upper()} is not set", f"Set it beside {other}, or unset both and use --profile."
        )
    return Reason(f"it has no {missing}", f"Set it: aws configure{option(identity.source)}")


def _bad_profile(error: Exception, identity: Identity) -> Reason:
    return Reason(
        f"its settings cannot be used: {_text(error)}",
        f"Correct them in {identity.environ.get('AWS_CONFIG_FILE') or '~/.aws/config'}; see them with: "
        f"aws configure list{identity.place}",
    )


def _no_library(error: Exception, _: Identity) -> Reason:
    return Reason(
        f"botocore lacks a library for this kind of login: {_text(error)}", "pip install 'botocore[crt]'"
    )


def _unreachable(error: Exception, identity: Identity) -> Reason:
    return Reason(
        f"the service that gives them cannot be reached: {_text(error)}",
        f"Check the network, the proxy and AWS_ENDPOINT_URL, then try it: aws sts get-caller-identity{identity.place}",
    )


def _not_retrieved(error: Any, identity: Identity) -> Reason:
    if error.kwargs.get("provider") == "custom-process":
        return _of_the_source(error, identity)
    said = _text(error.kwargs.get("error_msg") or error)
    try_it = f"aws sts get-caller-identity{identity.place}"
    return Reason(
        f"the metadata service of the machine or container gives none: {said}",
        f"This works only on AWS, with a role; elsewhere use --profile. Try it: {try_it}",
    )


def _of_the_source(error: Any, identity: Identity) -> Reason:
    """An exception that says little by itself: the profile says what was being done."""
    settings = identity.profiles.get(identity.source, {})
    if command := settings.get("credential_process"):
        return Reason(
            f"its credential_process {_process(command)} {_process_failure(error)}",
            f"See the command, and run it by itself: aws configure get credential_process{option(identity.source)}",
        )
    if (file := _token_file(identity)) and isinstance(error, OSError | UnicodeDecodeError):
        return Reason(
            f"the web identity token file {file} cannot be read: {getattr(error, 'strerror', None) or _text(error)}",
            "Set web_identity_token_file (AWS_WEB_IDENTITY_TOKEN_FILE) to a file that exists, then try it: "
            f"aws sts get-caller-identity{identity.place}",
        )
    said = f"{type(error).__name__}: {_text(error)}"
    if any(name.startswith("AWS_CONTAINER_CREDENTIALS") for name in identity.environ):
        return Reason(
            f"the container's credentials cannot be used: {said}",
            f"Check AWS_CONTAINER_CREDENTIALS_FULL_URI, or use --profile; try it: aws sts get-caller-identity{identity.place}",
        )
    return Reason(
        f"the service that gives them did not answer as AWS does: {said}",
        f"Check the endpoint (AWS_ENDPOINT_URL), then try it: aws sts get-caller-identity{identity.place}",
    )


def _process_failure(error: Any) -> str:
    if isinstance(error, OSError):
        return f"cannot be run: {error.strerror or error}"
    if isinstance(error, RuntimeError):
        return "gives keys that have expired"
    if isinstance(error, ValueError | AttributeError | TypeError):  # no JSON, or JSON that is no object
        return "prints something else than JSON as AWS defines it"
    said = _text(getattr(error, "kwargs", {}).get("error_msg") or error)
    return f"failed: {said}" if said else "failed, and says nothing"


def _process(command: str) -> str:
    try:
        return repr(shlex.split(command)[0])  # its arguments may be secrets
    except (ValueError, IndexError):
        return "command"


def _token_file(identity: Identity) -> str:
    settings = identity.profiles.get(identity.source, {})
    given = settings.get("web_identity_token_file") if identity.profile_is_given else None
    return str(
        given
        or identity.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE")
        or settings.get("web_identity_token_file")
        or ""
    )


def _is_sso(settings: Mapping[str, Any]) -> bool:
    return any(name.startswith("sso_") for name in settings)


def _text(said: object) -> str:
    """On one line, short, without secrets and without the full stop."""
    words = " ".join(redact(str(said)).split()).rstrip(".")
    return words if len(words) <= _LONGEST_REASON else f"{words[:_LONGEST_REASON]}..."


def identity_of(session: Any) -> Identity:
    """The identity of a botocore session."""
    from botocore.exceptions import BotoCoreError

    try:
        profiles = session.full_config.get("profiles", {})
    except BotoCoreError:  # a file that cannot be read: which is what will be said
        profiles = {}
    given = session.instance_variables().get("profile")
    return Identity(
        profile=session.get_config_variable("profile") or "default",
        profiles=profiles,
        environ=dict(os.environ),
        profile_is_given=given is not None,
    )
