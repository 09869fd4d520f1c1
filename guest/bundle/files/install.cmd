@echo off
rem Puts the guest tool in place and starts it. Run as an administrator.
"%~dp0slipway-guest.exe" install
