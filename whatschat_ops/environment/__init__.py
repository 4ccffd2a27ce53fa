"""The application's .env files: the guide's variables for a provisioned stack.

variables   settings and outputs of the stack -> the variables of backend and frontend, and who reads each
dotenv      variables -> text of a .env file, new or merged into an existing one, and back
render      writes them; comparing, jwt_secret and check hold existing files against the stack
"""
