@echo off
rem Written by hotadd. Runs once as SYSTEM at the first boot on EC2, installs what is beside it, and removes itself.
setlocal EnableExtensions DisableDelayedExpansion
set "HERE=%~dp0"
set "SYS=%SystemRoot%\System32"
rem A service may have an environment without it.
if not defined ProgramData set "ProgramData=%SystemDrive%\ProgramData"
set "LOG=%HERE%first-boot.log"
set "TRIES_MOST=3"
set "FAILED="
set "REBOOT="
cd /d "%HERE%"
set "TRIES="
if exist tries.txt set /p TRIES=<tries.txt
set /a TRIES+=1
>tries.txt echo %TRIES%
set "KEPT="
if exist tries.txt set /p KEPT=<tries.txt
call :say try %TRIES% of %TRIES_MOST% on %COMPUTERNAME%, counted as %KEPT%
rem Before the steps: one that reboots by itself never comes to what follows them, and who cannot count has no end.
if not "%KEPT%"=="%TRIES%" goto :give_up
if %TRIES% GTR %TRIES_MOST% goto :give_up
rem The services that start by themselves are still starting, and installers need some of them.
"%SYS%\ping.exe" -n 16 127.0.0.1 >nul

{{steps}}
if not defined FAILED goto :finish
if %TRIES% GEQ %TRIES_MOST% goto :give_up
call :say something failed; rebooting, then once more
"%SYS%\shutdown.exe" /r /t 15 /d p:2:4 /c "hotadd: first boot on EC2, try %TRIES%"
exit /b 1

:give_up
call :say giving up at try %TRIES% of %TRIES_MOST%; what failed is above, its installers are in %HERE%
call :settle
exit /b 1

:finish
call :say all is installed
call :settle
{{clean}}
del /q "%HERE%*.done" "%HERE%tries.txt" "%HERE%bios.txt" "%HERE%agent-config.yml" 2>nul
if not defined REBOOT goto :leave
call :say rebooting, as an installer asked for it
"%SYS%\shutdown.exe" /r /t 15 /d p:2:4 /c "hotadd: first boot on EC2 is through"
:leave
rem cmd reads a script line by line: what must follow the deletion stands on its line.
del /q "%~f0" & exit 0

:settle
{{settle}}
"%SYS%\sc.exe" delete {{service}} >>"%LOG%" 2>&1
exit /b 0

:say
>>"%LOG%" echo %DATE% %TIME% %*
exit /b 0

:note
rem %1 what, %2 its exit code, which changes nothing but a reboot that it asks for.
if "%2"=="3010" goto :result
if "%2"=="1641" goto :result
call :say %1: exit code %2, not tried again
goto :done

:result
rem %1 what, %2 its exit code: 0; 3010 and 1641 want a reboot; 259 no device here takes it; 1605 is not installed.
call :say %1: exit code %2
if "%2"=="3010" set "REBOOT=1"
if "%2"=="1641" set "REBOOT=1"
for %%C in (0 3010 1641 259 1605) do if "%2"=="%%C" goto :done
set "FAILED=%FAILED% %1"
exit /b 1
:done
>"%1.done" echo %2
exit /b 0
