<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.0" language="en">
  <context>
    <name>xmppchat/admin</name>
    <message>
      <source>A callback of the service arrived here, and its signature is right.</source>
      <translation>A callback of the service arrived here, and its signature is right.</translation>
    </message>
    <message>
      <source>A new callback secret is saved. Callbacks are refused until the service has it too: run the request below.</source>
      <translation>A new callback secret is saved. Callbacks are refused until the service has it too: run the request below.</translation>
    </message>
    <message>
      <source>A page of the web site with the LHC widget, to look at its embed code (may be empty)</source>
      <translation>A page of the web site with the LHC widget, to look at its embed code (may be empty)</translation>
    </message>
    <message>
      <source>API key</source>
      <translation>API key</translation>
    </message>
    <message>
      <source>Add this line to the crontab of the user of the web server: {line}</source>
      <translation>Add this line to the crontab of the user of the web server: {line}</translation>
    </message>
    <message>
      <source>Address</source>
      <translation>Address</translation>
    </message>
    <message>
      <source>Address of the service</source>
      <translation>Address of the service</translation>
    </message>
    <message>
      <source>Address of this LHC</source>
      <translation>Address of this LHC</translation>
    </message>
    <message>
      <source>Address, tenant, key and secret are kept by the manager of this hosting. Tenant: {tenant}</source>
      <translation>Address, tenant, key and secret are kept by the manager of this hosting. Tenant: {tenant}</translation>
    </message>
    <message>
      <source>Admin token</source>
      <translation>Admin token</translation>
    </message>
    <message>
      <source>Another program answers at this address (HTTP {status}).</source>
      <translation>Another program answers at this address (HTTP {status}).</translation>
    </message>
    <message>
      <source>Another user of this LHC has this username already.</source>
      <translation>Another user of this LHC has this username already.</translation>
    </message>
    <message>
      <source>Automated hosting</source>
      <translation>Automated hosting</translation>
    </message>
    <message>
      <source>Beginning of tenants</source>
      <translation>Beginning of tenants</translation>
    </message>
    <message>
      <source>Callback address</source>
      <translation>Callback address</translation>
    </message>
    <message>
      <source>Callback address of this LHC:</source>
      <translation>Callback address of this LHC:</translation>
    </message>
    <message>
      <source>Callback secret</source>
      <translation>Callback secret</translation>
    </message>
    <message>
      <source>Callbacks arrive, but their signature is refused: {reason}</source>
      <translation>Callbacks arrive, but their signature is refused: {reason}</translation>
    </message>
    <message>
      <source>Callbacks wait at the service: {reason}</source>
      <translation>Callbacks wait at the service: {reason}</translation>
    </message>
    <message>
      <source>Changes that the service refused: {count}</source>
      <translation>Changes that the service refused: {count}</translation>
    </message>
    <message>
      <source>Changes that wait for the service: {count}, the oldest for {minutes} minutes</source>
      <translation>Changes that wait for the service: {count}, the oldest for {minutes} minutes</translation>
    </message>
    <message>
      <source>Chat</source>
      <translation>Chat</translation>
    </message>
    <message>
      <source>Chats</source>
      <translation>Chats</translation>
    </message>
    <message>
      <source>Chats that nobody has answered</source>
      <translation>Chats that nobody has answered</translation>
    </message>
    <message>
      <source>Clients</source>
      <translation>Clients</translation>
    </message>
    <message>
      <source>Connection test</source>
      <translation>Connection test</translation>
    </message>
    <message>
      <source>Correct it in the settings.</source>
      <translation>Correct it in the settings.</translation>
    </message>
    <message>
      <source>Correct the address, or the proxy before the service: xmpp-chat answers at /readyz below it.</source>
      <translation>Correct the address, or the proxy before the service: xmpp-chat answers at /readyz below it.</translation>
    </message>
    <message>
      <source>Correct the host, or the name servers of this machine.</source>
      <translation>Correct the host, or the name servers of this machine.</translation>
    </message>
    <message>
      <source>Country</source>
      <translation>Country</translation>
    </message>
    <message>
      <source>Department</source>
      <translation>Department</translation>
    </message>
    <message>
      <source>Departments</source>
      <translation>Departments</translation>
    </message>
    <message>
      <source>Departments (from LHC, told to the service within a minute):</source>
      <translation>Departments (from LHC, told to the service within a minute):</translation>
    </message>
    <message>
      <source>Does a firewall drop the packets? Does DNS answer? Is the service overloaded?</source>
      <translation>Does a firewall drop the packets? Does DNS answer? Is the service overloaded?</translation>
    </message>
    <message>
      <source>Drop</source>
      <translation>Drop</translation>
    </message>
    <message>
      <source>Drop all that failed</source>
      <translation>Drop all that failed</translation>
    </message>
    <message>
      <source>Drop all that failed?</source>
      <translation>Drop all that failed?</translation>
    </message>
    <message>
      <source>Dropped: {count}</source>
      <translation>Dropped: {count}</translation>
    </message>
    <message>
      <source>Each instance gets a tenant of its own at the service, and the tenant goes with its instance. The admin token stays here: no instance has it.</source>
      <translation>Each instance gets a tenant of its own at the service, and the tenant goes with its instance. The admin token stays here: no instance has it.</translation>
    </message>
    <message>
      <source>Further settings of all tenants</source>
      <translation>Further settings of all tenants</translation>
    </message>
    <message>
      <source>Generate the embed code again with "Check for operator invitation messages" ticked, or add check_messages:true to LHC_API.args. With the Node helper it is not needed.</source>
      <translation>Generate the embed code again with "Check for operator invitation messages" ticked, or add check_messages:true to LHC_API.args. With the Node helper it is not needed.</translation>
    </message>
    <message>
      <source>If a script such as a tag manager puts it in, look there for check_messages:true.</source>
      <translation>If a script such as a tag manager puts it in, look there for check_messages:true.</translation>
    </message>
    <message>
      <source>if the service has typingPreview on; visitors have to be told</source>
      <translation>if the service has typingPreview on; visitors have to be told</translation>
    </message>
    <message>
      <source>Install or update the tables</source>
      <translation>Install or update the tables</translation>
    </message>
    <message>
      <source>Instance</source>
      <translation>Instance</translation>
    </message>
    <message>
      <source>Is it the address of the service, and does it speak HTTP there?</source>
      <translation>Is it the address of the service, and does it speak HTTP there?</translation>
    </message>
    <message>
      <source>Is the service running? Is the port right, and does a firewall let this machine through?</source>
      <translation>Is the service running? Is the port right, and does a firewall let this machine through?</translation>
    </message>
    <message>
      <source>It is taken, or not possible now: {reason}. Choose another username, or remove the account that is in the way.</source>
      <translation>It is taken, or not possible now: {reason}. Choose another username, or remove the account that is in the way.</translation>
    </message>
    <message>
      <source>Key</source>
      <translation>Key</translation>
    </message>
    <message>
      <source>LHC has no such user.</source>
      <translation>LHC has no such user.</translation>
    </message>
    <message>
      <source>Last callback</source>
      <translation>Last callback</translation>
    </message>
    <message>
      <source>Last cron job</source>
      <translation>Last cron job</translation>
    </message>
    <message>
      <source>Last sent</source>
      <translation>Last sent</translation>
    </message>
    <message>
      <source>Link to the service</source>
      <translation>Link to the service</translation>
    </message>
    <message>
      <source>Look at the log of the service. Is it as new as this extension?</source>
      <translation>Look at the log of the service. Is it as new as this extension?</translation>
    </message>
    <message>
      <source>Look at the log of the service. What LHC sends is kept until it is ready.</source>
      <translation>Look at the log of the service. What LHC sends is kept until it is ready.</translation>
    </message>
    <message>
      <source>Make a new callback secret</source>
      <translation>Make a new callback secret</translation>
    </message>
    <message>
      <source>Make it anew when that is done.</source>
      <translation>Make it anew when that is done.</translation>
    </message>
    <message>
      <source>Make one at a user, in the tab "XMPP account".</source>
      <translation>Make one at a user, in the tab "XMPP account".</translation>
    </message>
    <message>
      <source>Make the account</source>
      <translation>Make the account</translation>
    </message>
    <message>
      <source>Name</source>
      <translation>Name</translation>
    </message>
    <message>
      <source>Name in XMPP</source>
      <translation>Name in XMPP</translation>
    </message>
    <message>
      <source>New password</source>
      <translation>New password</translation>
    </message>
    <message>
      <source>Next try</source>
      <translation>Next try</translation>
    </message>
    <message>
      <source>No XMPP operator got a message of the visitor ({reason})</source>
      <translation>No XMPP operator got a message of the visitor ({reason})</translation>
    </message>
    <message>
      <source>No answer within {seconds} s: {reason}</source>
      <translation>No answer within {seconds} s: {reason}</translation>
    </message>
    <message>
      <source>No user of LHC has an XMPP account: nobody gets the chats.</source>
      <translation>No user of LHC has an XMPP account: nobody gets the chats.</translation>
    </message>
    <message>
      <source>Nothing takes connections there: {reason}</source>
      <translation>Nothing takes connections there: {reason}</translation>
    </message>
    <message>
      <source>Nothing was asked for.</source>
      <translation>Nothing was asked for.</translation>
    </message>
    <message>
      <source>Now</source>
      <translation>Now</translation>
    </message>
    <message>
      <source>Offered to</source>
      <translation>Offered to</translation>
    </message>
    <message>
      <source>On the service, "xmpp-chat tenants list" shows the tenants and "xmpp-chat tenants rotate-key" gives one a new key. The settings show the request that makes the tenant.</source>
      <translation>On the service, "xmpp-chat tenants list" shows the tenants and "xmpp-chat tenants rotate-key" gives one a new key. The settings show the request that makes the tenant.</translation>
    </message>
    <message>
      <source>Operator</source>
      <translation>Operator</translation>
    </message>
    <message>
      <source>Operators</source>
      <translation>Operators</translation>
    </message>
    <message>
      <source>Operators see that a visitor is typing</source>
      <translation>Operators see that a visitor is typing</translation>
    </message>
    <message>
      <source>Outbox: {pending} wait, {failed} failed</source>
      <translation>Outbox: {pending} wait, {failed} failed</translation>
    </message>
    <message>
      <source>Overview</source>
      <translation>Overview</translation>
    </message>
    <message>
      <source>Page</source>
      <translation>Page</translation>
    </message>
    <message>
      <source>Password</source>
      <translation>Password</translation>
    </message>
    <message>
      <source>Password: it is empty</source>
      <translation>Password: it is empty</translation>
    </message>
    <message>
      <source>Password: it is no UTF-8</source>
      <translation>Password: it is no UTF-8</translation>
    </message>
    <message>
      <source>Password: it needs {min} characters or more</source>
      <translation>Password: it needs {min} characters or more</translation>
    </message>
    <message>
      <source>Place</source>
      <translation>Place</translation>
    </message>
    <message>
      <source>Press "Install or update the tables" in the settings.</source>
      <translation>Press "Install or update the tables" in the settings.</translation>
    </message>
    <message>
      <source>Reason</source>
      <translation>Reason</translation>
    </message>
    <message>
      <source>Remove the account</source>
      <translation>Remove the account</translation>
    </message>
    <message>
      <source>Remove the account? Clients are logged out, and open chats go to others.</source>
      <translation>Remove the account? Clients are logged out, and open chats go to others.</translation>
    </message>
    <message>
      <source>Remove the tenants of all instances that are gone?</source>
      <translation>Remove the tenants of all instances that are gone?</translation>
    </message>
    <message>
      <source>Remove them</source>
      <translation>Remove them</translation>
    </message>
    <message>
      <source>Requests that the service answered: {count}</source>
      <translation>Requests that the service answered: {count}</translation>
    </message>
    <message>
      <source>Run one of these where the service is, with the virtual host of ejabberd for XMPP-HOST. A new tenant gets an API key, which is printed once: type it in above. For a tenant that exists, add its other settings, because the request is the whole wish.</source>
      <translation>Run one of these where the service is, with the virtual host of ejabberd for XMPP-HOST. A new tenant gets an API key, which is printed once: type it in above. For a tenant that exists, add its other settings, because the request is the whole wish.</translation>
    </message>
    <message>
      <source>Run the request that the settings show, and type in the key that it prints.</source>
      <translation>Run the request that the settings show, and type in the key that it prints.</translation>
    </message>
    <message>
      <source>Run the request that the settings show.</source>
      <translation>Run the request that the settings show.</translation>
    </message>
    <message>
      <source>Save</source>
      <translation>Save</translation>
    </message>
    <message>
      <source>Send again</source>
      <translation>Send again</translation>
    </message>
    <message>
      <source>Send all that failed again</source>
      <translation>Send all that failed again</translation>
    </message>
    <message>
      <source>Set both clocks by NTP. From 300 s on callbacks are refused.</source>
      <translation>Set both clocks by NTP. From 300 s on callbacks are refused.</translation>
    </message>
    <message>
      <source>Set callbackFlavour to native and the callback secret: run the request that the settings show.</source>
      <translation>Set callbackFlavour to native and the callback secret: run the request that the settings show.</translation>
    </message>
    <message>
      <source>Set it to {url} at the service. Is the extension in the list of LHC's extensions, and its cache emptied?</source>
      <translation>Set it to {url} at the service. Is the extension in the list of LHC's extensions, and its cache emptied?</translation>
    </message>
    <message>
      <source>Set the callback address of the tenant to {url}. Does another LHC use the same tenant?</source>
      <translation>Set the callback address of the tenant to {url}. Does another LHC use the same tenant?</translation>
    </message>
    <message>
      <source>Set the password</source>
      <translation>Set the password</translation>
    </message>
    <message>
      <source>Settings</source>
      <translation>Settings</translation>
    </message>
    <message>
      <source>Shown in XMPP</source>
      <translation>Shown in XMPP</translation>
    </message>
    <message>
      <source>Since</source>
      <translation>Since</translation>
    </message>
    <message>
      <source>Somebody answers the callbacks of this tenant, but it is not this LHC.</source>
      <translation>Somebody answers the callbacks of this tenant, but it is not this LHC.</translation>
    </message>
    <message>
      <source>State</source>
      <translation>State</translation>
    </message>
    <message>
      <source>Switch it on in the settings.</source>
      <translation>Switch it on in the settings.</translation>
    </message>
    <message>
      <source>Switched on</source>
      <translation>Switched on</translation>
    </message>
    <message>
      <source>The service has an operator of this name for another user of LHC. Choose another username.</source>
      <translation>The service has an operator of this name for another user of LHC. Choose another username.</translation>
    </message>
    <message>
      <source>They also see what it is, before it is sent</source>
      <translation>They also see what it is, before it is sent</translation>
    </message>
    <message>
      <source>TLS fails: {reason}</source>
      <translation>TLS fails: {reason}</translation>
    </message>
    <message>
      <source>Tables of the extension are missing or old.</source>
      <translation>Tables of the extension are missing or old.</translation>
    </message>
    <message>
      <source>Tell the service now</source>
      <translation>Tell the service now</translation>
    </message>
    <message>
      <source>Tenant</source>
      <translation>Tenant</translation>
    </message>
    <message>
      <source>Tenant or API key is missing.</source>
      <translation>Tenant or API key is missing.</translation>
    </message>
    <message>
      <source>Test the connection</source>
      <translation>Test the connection</translation>
    </message>
    <message>
      <source>The account is ready.</source>
      <translation>The account is ready.</translation>
    </message>
    <message>
      <source>The account is removed.</source>
      <translation>The account is removed.</translation>
    </message>
    <message>
      <source>The address cannot be used: {reason}</source>
      <translation>The address cannot be used: {reason}</translation>
    </message>
    <message>
      <source>The address of the service begins with http://. The key and all texts go over the network as they are.</source>
      <translation>The address of the service begins with http://. The key and all texts go over the network as they are.</translation>
    </message>
    <message>
      <source>The address of the service is well formed.</source>
      <translation>The address of the service is well formed.</translation>
    </message>
    <message>
      <source>The address of the service {reason}.</source>
      <translation>The address of the service {reason}.</translation>
    </message>
    <message>
      <source>The callback address of the tenant leads elsewhere: {reason}</source>
      <translation>The callback address of the tenant leads elsewhere: {reason}</translation>
    </message>
    <message>
      <source>The callback secret here and at the service differ, or the clocks do. Make a new secret in the settings and run the request that is shown there.</source>
      <translation>The callback secret here and at the service differ, or the clocks do. Make a new secret in the settings and run the request that is shown there.</translation>
    </message>
    <message>
      <source>The callbacks of the tenant are not signed, or have the form of another extension.</source>
      <translation>The callbacks of the tenant are not signed, or have the form of another extension.</translation>
    </message>
    <message>
      <source>The certificate has to be valid for this host, and its issuer known to this machine. Is https:// right for this port?</source>
      <translation>The certificate has to be valid for this host, and its issuer known to this machine. Is https:// right for this port?</translation>
    </message>
    <message>
      <source>The clocks of LHC and of the service agree.</source>
      <translation>The clocks of LHC and of the service agree.</translation>
    </message>
    <message>
      <source>The clocks of LHC and of the service differ by {seconds} s.</source>
      <translation>The clocks of LHC and of the service differ by {seconds} s.</translation>
    </message>
    <message>
      <source>The clocks were not compared.</source>
      <translation>The clocks were not compared.</translation>
    </message>
    <message>
      <source>The connection fails: {reason}</source>
      <translation>The connection fails: {reason}</translation>
    </message>
    <message>
      <source>The cron job of the extension has never run. What is not sent at once is never sent.</source>
      <translation>The cron job of the extension has never run. What is not sent at once is never sent.</translation>
    </message>
    <message>
      <source>The cron job of the extension last ran {minutes} minutes ago.</source>
      <translation>The cron job of the extension last ran {minutes} minutes ago.</translation>
    </message>
    <message>
      <source>The cron job of the extension runs.</source>
      <translation>The cron job of the extension runs.</translation>
    </message>
    <message>
      <source>The cron jobs of the hosting have to run: see "Automated hosting" in the documentation of the extension.</source>
      <translation>The cron jobs of the hosting have to run: see "Automated hosting" in the documentation of the extension.</translation>
    </message>
    <message>
      <source>The database refused it.</source>
      <translation>The database refused it.</translation>
    </message>
    <message>
      <source>The database refused it. Are the tables of the extension there? Press "Install or update the tables".</source>
      <translation>The database refused it. Are the tables of the extension there? Press "Install or update the tables".</translation>
    </message>
    <message>
      <source>The embed code lacks check_messages:true: an invitation is shown when the visitor opens the next page, and not before.</source>
      <translation>The embed code lacks check_messages:true: an invitation is shown when the visitor opens the next page, and not before.</translation>
    </message>
    <message>
      <source>The embed code looks for invitations while a page is open.</source>
      <translation>The embed code looks for invitations while a page is open.</translation>
    </message>
    <message>
      <source>The embed code was not looked at: no page was named.</source>
      <translation>The embed code was not looked at: no page was named.</translation>
    </message>
    <message>
      <source>The extension is switched off, or its settings are not complete.</source>
      <translation>The extension is switched off, or its settings are not complete.</translation>
    </message>
    <message>
      <source>The extension is switched off: LHC sends nothing.</source>
      <translation>The extension is switched off: LHC sends nothing.</translation>
    </message>
    <message>
      <source>The extension is switched on.</source>
      <translation>The extension is switched on.</translation>
    </message>
    <message>
      <source>The form was too old. Nothing was changed: please send it again.</source>
      <translation>The form was too old. Nothing was changed: please send it again.</translation>
    </message>
    <message>
      <source>The manager of this hosting keeps the secret.</source>
      <translation>The manager of this hosting keeps the secret.</translation>
    </message>
    <message>
      <source>The name of the host is not known in DNS: {reason}</source>
      <translation>The name of the host is not known in DNS: {reason}</translation>
    </message>
    <message>
      <source>The outbox is in order.</source>
      <translation>The outbox is in order.</translation>
    </message>
    <message>
      <source>The page "XMPP chat" shows the reasons. Send them again when the reason is gone, or drop them.</source>
      <translation>The page "XMPP chat" shows the reasons. Send them again when the reason is gone, or drop them.</translation>
    </message>
    <message>
      <source>The page cannot be read: {reason}</source>
      <translation>The page cannot be read: {reason}</translation>
    </message>
    <message>
      <source>The password is set. Clients that are logged in stay so.</source>
      <translation>The password is set. Clients that are logged in stay so.</translation>
    </message>
    <message>
      <source>The secret is shown only right after it was made. If you do not have it any more, make a new one.</source>
      <translation>The secret is shown only right after it was made. If you do not have it any more, make a new one.</translation>
    </message>
    <message>
      <source>The service answers: {reason}</source>
      <translation>The service answers: {reason}</translation>
    </message>
    <message>
      <source>The service cannot be reached ({reason}). Try again later; the connection test says more.</source>
      <translation>The service cannot be reached ({reason}). Try again later; the connection test says more.</translation>
    </message>
    <message>
      <source>The service cannot be reached: {reason}</source>
      <translation>The service cannot be reached: {reason}</translation>
    </message>
    <message>
      <source>The service cannot test the callbacks: {reason}</source>
      <translation>The service cannot test the callbacks: {reason}</translation>
    </message>
    <message>
      <source>The service does not answer. The account will be removed when it does.</source>
      <translation>The service does not answer. The account will be removed when it does.</translation>
    </message>
    <message>
      <source>The service does not answer: {reason}</source>
      <translation>The service does not answer: {reason}</translation>
    </message>
    <message>
      <source>The service does not get through to LHC: {reason}</source>
      <translation>The service does not get through to LHC: {reason}</translation>
    </message>
    <message>
      <source>The service does not know this operator.</source>
      <translation>The service does not know this operator.</translation>
    </message>
    <message>
      <source>The service does not know this operator. Remove the account here, and make it again.</source>
      <translation>The service does not know this operator. Remove the account here, and make it again.</translation>
    </message>
    <message>
      <source>The service does not take it: {reason}</source>
      <translation>The service does not take it: {reason}</translation>
    </message>
    <message>
      <source>The service does not take the API key for tenant {tenant}: the key is wrong, or there is no such tenant (it does not say which).</source>
      <translation>The service does not take the API key for tenant {tenant}: the key is wrong, or there is no such tenant (it does not say which).</translation>
    </message>
    <message>
      <source>The service does not take the API key. Run the connection test.</source>
      <translation>The service does not take the API key. Run the connection test.</translation>
    </message>
    <message>
      <source>The service has the operator {username} for this user.</source>
      <translation>The service has the operator {username} for this user.</translation>
    </message>
    <message>
      <source>The service has to reach {url}. {advice}</source>
      <translation>The service has to reach {url}. {advice}</translation>
    </message>
    <message>
      <source>The service is not asked: {reason}</source>
      <translation>The service is not asked: {reason}</translation>
    </message>
    <message>
      <source>The service knows no operator for this user.</source>
      <translation>The service knows no operator for this user.</translation>
    </message>
    <message>
      <source>The service takes no more requests now. Try again in a minute.</source>
      <translation>The service takes no more requests now. Try again in a minute.</translation>
    </message>
    <message>
      <source>The service takes the API key for tenant {tenant}, with accounts at {host}.</source>
      <translation>The service takes the API key for tenant {tenant}, with accounts at {host}.</translation>
    </message>
    <message>
      <source>The service, or ejabberd behind it, is not ready ({reason}). Try again in a minute.</source>
      <translation>The service, or ejabberd behind it, is not ready ({reason}). Try again in a minute.</translation>
    </message>
    <message>
      <source>The settings are saved.</source>
      <translation>The settings are saved.</translation>
    </message>
    <message>
      <source>The settings are saved. Cron tells the service within a minute.</source>
      <translation>The settings are saved. Cron tells the service within a minute.</translation>
    </message>
    <message>
      <source>The tables are up to date.</source>
      <translation>The tables are up to date.</translation>
    </message>
    <message>
      <source>The tables are up to date. Statements that were carried out: {count}</source>
      <translation>The tables are up to date. Statements that were carried out: {count}</translation>
    </message>
    <message>
      <source>The tables of the extension are missing. Press "Install or update the tables" in the settings.</source>
      <translation>The tables of the extension are missing. Press "Install or update the tables" in the settings.</translation>
    </message>
    <message>
      <source>The tables of the extension are up to date.</source>
      <translation>The tables of the extension are up to date.</translation>
    </message>
    <message>
      <source>The tenant has no callback address: operators' messages do not reach LHC.</source>
      <translation>The tenant has no callback address: operators' messages do not reach LHC.</translation>
    </message>
    <message>
      <source>The tenant is being removed.</source>
      <translation>The tenant is being removed.</translation>
    </message>
    <message>
      <source>The visitor who came last is on:</source>
      <translation>The visitor who came last is on:</translation>
    </message>
    <message>
      <source>There is no embed code of LHC on this page.</source>
      <translation>There is no embed code of LHC on this page.</translation>
    </message>
    <message>
      <source>There is no such user, or you may not change it.</source>
      <translation>There is no such user, or you may not change it.</translation>
    </message>
    <message>
      <source>They are repeated by themselves. If they are paused, because LHC answered 410, set the callback address or the secret anew.</source>
      <translation>They are repeated by themselves. If they are paused, because LHC answered 410, set the callback address or the secret anew.</translation>
    </message>
    <message>
      <source>They go out by themselves when the service answers and cron runs. The page "XMPP chat" shows them.</source>
      <translation>They go out by themselves when the service answers and cron runs. The page "XMPP chat" shows them.</translation>
    </message>
    <message>
      <source>This is not the manager of an automated hosting.</source>
      <translation>This is not the manager of an automated hosting.</translation>
    </message>
    <message>
      <source>This user has no XMPP account.</source>
      <translation>This user has no XMPP account.</translation>
    </message>
    <message>
      <source>This user has the account {username} already. Remove it first.</source>
      <translation>This user has the account {username} already. Remove it first.</translation>
    </message>
    <message>
      <source>This user is disabled in LHC. Enable the user first.</source>
      <translation>This user is disabled in LHC. Enable the user first.</translation>
    </message>
    <message>
      <source>To be sent again: {count}</source>
      <translation>To be sent again: {count}</translation>
    </message>
    <message>
      <source>Tries</source>
      <translation>Tries</translation>
    </message>
    <message>
      <source>Try again in a minute.</source>
      <translation>Try again in a minute.</translation>
    </message>
    <message>
      <source>Type the address of a page that has the LHC widget, as a visitor opens it.</source>
      <translation>Type the address of a page that has the LHC widget, as a visitor opens it.</translation>
    </message>
    <message>
      <source>Use https://, or keep LHC and the service in one private network.</source>
      <translation>Use https://, or keep LHC and the service in one private network.</translation>
    </message>
    <message>
      <source>Use this account</source>
      <translation>Use this account</translation>
    </message>
    <message>
      <source>Username</source>
      <translation>Username</translation>
    </message>
    <message>
      <source>Username: it is a-z, 0-9, ., _ and -, does not begin with . or -, at most 63 characters</source>
      <translation>Username: it is a-z, 0-9, ., _ and -, does not begin with . or -, at most 63 characters</translation>
    </message>
    <message>
      <source>Username: this one is reserved</source>
      <translation>Username: this one is reserved</translation>
    </message>
    <message>
      <source>Users with an XMPP account: {count}</source>
      <translation>Users with an XMPP account: {count}</translation>
    </message>
    <message>
      <source>Virtual host in ejabberd</source>
      <translation>Virtual host in ejabberd</translation>
    </message>
    <message>
      <source>Visitor</source>
      <translation>Visitor</translation>
    </message>
    <message>
      <source>Visitors who are online</source>
      <translation>Visitors who are online</translation>
    </message>
    <message>
      <source>What</source>
      <translation>What</translation>
    </message>
    <message>
      <source>What the service has to know</source>
      <translation>What the service has to know</translation>
    </message>
    <message>
      <source>What waits goes out by itself, in its order. A row that is dropped is never sent: for a chat, nothing more of it is sent until something happens in it again.</source>
      <translation>What waits goes out by itself, in its order. A row that is dropped is never sent: for a chat, nothing more of it is sent until something happens in it again.</translation>
    </message>
    <message>
      <source>When an instance goes, delete the log and the data keys of its tenant too. Nobody can undo that.</source>
      <translation>When an instance goes, delete the log and the data keys of its tenant too. Nobody can undo that.</translation>
    </message>
    <message>
      <source>XMPP account</source>
      <translation>XMPP account</translation>
    </message>
    <message>
      <source>XMPP chat: automated hosting</source>
      <translation>XMPP chat: automated hosting</translation>
    </message>
    <message>
      <source>XMPP chat: connection test</source>
      <translation>XMPP chat: connection test</translation>
    </message>
    <message>
      <source>XMPP chat: settings</source>
      <translation>XMPP chat: settings</translation>
    </message>
    <message>
      <source>You may look at the outbox, but not change it.</source>
      <translation>You may look at the outbox, but not change it.</translation>
    </message>
    <message>
      <source>a request that was refused</source>
      <translation>a request that was refused</translation>
    </message>
    <message>
      <source>all</source>
      <translation>all</translation>
    </message>
    <message>
      <source>available</source>
      <translation>available</translation>
    </message>
    <message>
      <source>away</source>
      <translation>away</translation>
    </message>
    <message>
      <source>busy</source>
      <translation>busy</translation>
    </message>
    <message>
      <source>chat</source>
      <translation>chat</translation>
    </message>
    <message>
      <source>does not answer</source>
      <translation>does not answer</translation>
    </message>
    <message>
      <source>empty: it stays as it is</source>
      <translation>empty: it stays as it is</translation>
    </message>
    <message>
      <source>for callbacks and for links to files</source>
      <translation>for callbacks and for links to files</translation>
    </message>
    <message>
      <source>has 16 to 256 characters of ASCII, as the service printed it</source>
      <translation>has 16 to 256 characters of ASCII, as the service printed it</translation>
    </message>
    <message>
      <source>has a host with characters that no host has; write a name with umlauts in its xn-- form</source>
      <translation>has a host with characters that no host has; write a name with umlauts in its xn-- form</translation>
    </message>
    <message>
      <source>has a path with characters other than letters, digits, and . _ ~ / -</source>
      <translation>has a path with characters other than letters, digits, and . _ ~ / -</translation>
    </message>
    <message>
      <source>has to begin with https:// or http:// and name a host, for example https://xmpp-chat.example.org</source>
      <translation>has to begin with https:// or http:// and name a host, for example https://xmpp-chat.example.org</translation>
    </message>
    <message>
      <source>in order</source>
      <translation>in order</translation>
    </message>
    <message>
      <source>interrupted since {time}: {reason}</source>
      <translation>interrupted since {time}: {reason}</translation>
    </message>
    <message>
      <source>is a JSON object, for example {example}</source>
      <translation>is a JSON object, for example {example}</translation>
    </message>
    <message>
      <source>is a host name in lower case, for example chat.example.org</source>
      <translation>is a host name in lower case, for example chat.example.org</translation>
    </message>
    <message>
      <source>is a-z, 0-9 and -, begins with a letter, at most 20 characters</source>
      <translation>is a-z, 0-9 and -, begins with a letter, at most 20 characters</translation>
    </message>
    <message>
      <source>is a-z, 0-9 and -, begins with a letter, at most 31 characters</source>
      <translation>is a-z, 0-9 and -, begins with a letter, at most 31 characters</translation>
    </message>
    <message>
      <source>is being removed</source>
      <translation>is being removed</translation>
    </message>
    <message>
      <source>is empty</source>
      <translation>is empty</translation>
    </message>
    <message>
      <source>is longer than {max} characters</source>
      <translation>is longer than {max} characters</translation>
    </message>
    <message>
      <source>is needed before the extension can be switched on</source>
      <translation>is needed before the extension can be switched on</translation>
    </message>
    <message>
      <source>is whsec_ and the base64 of 18 to 128 bytes</source>
      <translation>is whsec_ and the base64 of 18 to 128 bytes</translation>
    </message>
    <message>
      <source>it has to begin with https:// or http://, name a host, and have no user or password</source>
      <translation>it has to begin with https:// or http://, name a host, and have no user or password</translation>
    </message>
    <message>
      <source>it is switched off</source>
      <translation>it is switched off</translation>
    </message>
    <message>
      <source>it is too slow</source>
      <translation>it is too slow</translation>
    </message>
    <message>
      <source>it redirects more than {max} times</source>
      <translation>it redirects more than {max} times</translation>
    </message>
    <message>
      <source>its host has no public address</source>
      <translation>its host has no public address</translation>
    </message>
    <message>
      <source>a reaction</source>
      <translation>a reaction</translation>
    </message>
    <message>
      <source>messages were seen</source>
      <translation>messages were seen</translation>
    </message>
    <message>
      <source>more</source>
      <translation>more</translation>
    </message>
    <message>
      <source>must not contain ? or #</source>
      <translation>must not contain ? or #</translation>
    </message>
    <message>
      <source>must not contain a user or a password</source>
      <translation>must not contain a user or a password</translation>
    </message>
    <message>
      <source>must not contain {names}: the manager decides that</source>
      <translation>must not contain {names}: the manager decides that</translation>
    </message>
    <message>
      <source>never</source>
      <translation>never</translation>
    </message>
    <message>
      <source>no</source>
      <translation>no</translation>
    </message>
    <message>
      <source>not set</source>
      <translation>not set</translation>
    </message>
    <message>
      <source>offline</source>
      <translation>offline</translation>
    </message>
    <message>
      <source>page view</source>
      <translation>page view</translation>
    </message>
    <message>
      <source>pending</source>
      <translation>pending</translation>
    </message>
    <message>
      <source>pending: the service is told of a change within a minute, or when it answers again</source>
      <translation>pending: the service is told of a change within a minute, or when it answers again</translation>
    </message>
    <message>
      <source>refused</source>
      <translation>refused</translation>
    </message>
    <message>
      <source>set</source>
      <translation>set</translation>
    </message>
    <message>
      <source>set, ends with {end}</source>
      <translation>set, ends with {end}</translation>
    </message>
    <message>
      <source>switched off, because the user is disabled in LHC; a new password switches it on</source>
      <translation>switched off, because the user is disabled in LHC; a new password switches it on</translation>
    </message>
    <message>
      <source>the service refused the last change</source>
      <translation>the service refused the last change</translation>
    </message>
    <message>
      <source>the web server answered {status}</source>
      <translation>the web server answered {status}</translation>
    </message>
    <message>
      <source>xmpp-chat {version} answers, but it is not ready: {parts}</source>
      <translation>xmpp-chat {version} answers, but it is not ready: {parts}</translation>
    </message>
    <message>
      <source>xmpp-chat {version} answers.</source>
      <translation>xmpp-chat {version} answers.</translation>
    </message>
    <message>
      <source>yes</source>
      <translation>yes</translation>
    </message>
    <message>
      <source>{count} instances are gone, more than half of all. Is the list of instances complete? Their tenants are removed only if you press "Remove them".</source>
      <translation>{count} instances are gone, more than half of all. Is the list of instances complete? Their tenants are removed only if you press "Remove them".</translation>
    </message>
    <message>
      <source>{name} has not taken the chat.</source>
      <translation>{name} has not taken the chat.</translation>
    </message>
    <message>
      <source>The callbacks were not tested: LHC refuses them while the extension is switched off.</source>
      <translation>The callbacks were not tested: LHC refuses them while the extension is switched off.</translation>
    </message>
  </context>
</TS>
