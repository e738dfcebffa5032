<ul class="nav nav-tabs mb-3">
<?php if (erLhcoreClassUser::instance()->hasAccessTo('lhxmppchat', 'use')) : ?>
<li class="nav-item"><a class="nav-link <?php echo $here === 'status' ? 'active' : ''?>" href="<?php echo $url('xmppchat/status')?>"><?php echo $t('Overview')?></a></li>
<?php endif; ?>
<?php if (erLhcoreClassUser::instance()->hasAccessTo('lhxmppchat', 'configure')) : ?>
<li class="nav-item"><a class="nav-link <?php echo $here === 'settings' ? 'active' : ''?>" href="<?php echo $url('xmppchat/settings')?>"><?php echo $t('Settings')?></a></li>
<li class="nav-item"><a class="nav-link <?php echo $here === 'test' ? 'active' : ''?>" href="<?php echo $url('xmppchat/test')?>"><?php echo $t('Connection test')?></a></li>
<?php if (\XmppChat\Lhc\Hosting\Site::isManager()) : ?>
<li class="nav-item"><a class="nav-link <?php echo $here === 'hosting' ? 'active' : ''?>" href="<?php echo $url('xmppchat/hosting')?>"><?php echo $t('Automated hosting')?></a></li>
<?php endif; ?>
<?php endif; ?>
</ul>
